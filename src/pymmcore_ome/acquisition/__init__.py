"""From useq and pymmcore-plus to the stream: the adapter, the sink, install, Output."""

from .install import Installation, install
from .output import Output
from .useq_schema import schema_from_useq

__all__ = ["Installation", "Output", "install", "schema_from_useq"]
