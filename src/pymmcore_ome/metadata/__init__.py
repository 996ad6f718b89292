"""Documents only: OME-NGFF, OME-XML, and the store record. It writes no file."""

from pymmcore_ome.disk import StoreLocation

from .axes import axis_origin, physical_unit, stage_coordinates
from .display import ContrastSampler, channel_colors, pixel_range, window_of
from .documents import Document, Documents, StoreState, image_notes
from .store_record import KEY, XML_KEY, Status, StoreRecord, file_name, record_of_xml


def documents_of(location: StoreLocation) -> Documents:
    """Return the documents of the format of a store."""
    # here, because reading a store needs neither yaozarrs nor ome-types
    if location.format == "ome-zarr":
        from .zarr_documents import ZarrDocuments

        return ZarrDocuments()
    from .tiff_documents import TiffDocuments

    return TiffDocuments(location.is_folder)


__all__ = [
    "KEY",
    "XML_KEY",
    "ContrastSampler",
    "Document",
    "Documents",
    "Status",
    "StoreRecord",
    "StoreState",
    "axis_origin",
    "channel_colors",
    "documents_of",
    "file_name",
    "image_notes",
    "physical_unit",
    "pixel_range",
    "record_of_xml",
    "stage_coordinates",
    "window_of",
]  # fmt: skip
