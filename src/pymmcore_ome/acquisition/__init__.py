"""From useq and pymmcore-plus to the stream: the adapter, the sink, install, Output."""

from .engine_methods import is_standard, replaced
from .installation import Installation, install
from .output import Output
from .readiness import check_ready
from .resumption import unfinished_by
from .run_forecast import Forecast, forecast
from .run_thread import RunThread
from .useq.schema import schema_from_useq

__all__ = [
    "Forecast",
    "Installation",
    "Output",
    "RunThread",
    "check_ready",
    "forecast",
    "install",
    "is_standard",
    "replaced",
    "schema_from_useq",
    "unfinished_by",
]  # fmt: skip
