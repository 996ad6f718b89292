"""Documents only: OME-NGFF, OME-XML, and the package's own page at the root of a store."""

from .documents import (
    XML_KEY,
    closing_documents,
    format_refusals,
    image_documents,
    series_documents,
    store_documents,
)
from .store_record import KEY, Status, StoreRecord

__all__ = [
    "KEY", "XML_KEY", "Status", "StoreRecord", "closing_documents", "format_refusals",
    "image_documents", "series_documents", "store_documents",
]  # fmt: skip
