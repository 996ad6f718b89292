"""Documents only: OME-NGFF, OME-XML, and the package's own page in a store."""

from pymmcore_ome.disk import StoreLocation

from .colors import channel_colors
from .documents import Document, Documents, StoreState, stage_coordinates
from .ngff import axis_origin, physical_unit, pixel_range
from .store_record import KEY, Status, StoreRecord
from .tiff_documents import DESCRIPTION_KEY, TiffDocuments, file_name, record_of_xml
from .zarr_documents import XML_KEY, ZarrDocuments


def documents_of(place: StoreLocation) -> Documents:
    """Return the documents of the format of a place."""
    return ZarrDocuments() if place.format == "ome-zarr" else TiffDocuments(place.is_folder)


__all__ = [
    "DESCRIPTION_KEY",
    "KEY",
    "XML_KEY",
    "Document",
    "Documents",
    "Status",
    "StoreRecord",
    "StoreState",
    "TiffDocuments",
    "ZarrDocuments",
    "axis_origin",
    "channel_colors",
    "documents_of",
    "file_name",
    "physical_unit",
    "pixel_range",
    "record_of_xml",
    "stage_coordinates",
]  # fmt: skip
