"""The panels: where and how to save, and a whole acquisition with its live view. Needs Qt.

State is in plain objects that know no widget (`SaveSettings`, `PlannedRun`, `Estimate`,
`AcquisitionRun`), and only these can be used without Qt. Nothing here writes pixels.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .save_settings import SaveSettings

if TYPE_CHECKING:
    from .acquisition_panel import AcquisitionPanel
    from .guard import from_any_thread
    from .save_panel import SavePanel
    from .window import show_window

__all__ = ["AcquisitionPanel", "SavePanel", "SaveSettings", "from_any_thread", "show_window"]

_WITH_QT: Final = {
    "AcquisitionPanel": ".acquisition_panel",
    "SavePanel": ".save_panel",
    "from_any_thread": ".guard",
    "show_window": ".window",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_QT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import_module(".binding", __name__).check_binding()
        module = import_module(_WITH_QT[name], __name__)
    except ImportError as error:  # qtpy's own error for a missing binding is one, too
        raise ImportError(
            f"{name} needs Qt, which could not be loaded: {error}. Install it with  "
            'python -m pip install "pymmcore-ome[gui]"  (on Linux without a desktop, also the '
            "system's libegl1)."
        ) from error
    return getattr(module, name)
