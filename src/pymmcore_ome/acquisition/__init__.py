"""From useq and pymmcore-plus to the stream: the adapter, the sink, install, Output."""

from .forecast import Forecast, forecast
from .install import Installation, install
from .output import Output
from .readiness import check_ready
from .useq_schema import schema_from_useq

__all__ = [
    "Forecast", "Installation", "Output", "check_ready", "forecast", "install", "schema_from_useq",
]  # fmt: skip
