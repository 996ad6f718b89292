"""The panels: where and how to save, and a whole acquisition with its live view. Needs Qt.

State is kept in plain objects that do not depend on widgets (`SaveSettings`, `PlannedRun`,
`Estimate`, `AcquisitionRun`, `PanelState`); only these work without Qt. Nothing here writes pixels.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from pymmcore_ome.errors import how_to_install

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
        _check_binding()
        module = import_module(_WITH_QT[name], __name__)
    except ImportError as error:  # qtpy's own error for a missing binding is one, too
        raise ImportError(
            f"{name} needs Qt, which could not be loaded: {error}. Install it with  "
            f"{how_to_install('gui')}.  On Linux without a desktop, also install libegl1."
        ) from error
    return getattr(module, name)


def _check_binding() -> None:
    """Refuse a Qt binding that is known to crash.

    PySide6 6.12.0 releases a reference to True with every signal; before Python 3.12, where True
    is reference-counted, the program crashes after a few hundred.

    Raises
    ------
    ImportError
    """
    import qtpy

    if qtpy.PYSIDE6 and qtpy.PYSIDE_VERSION == "6.12.0" and sys.version_info < (3, 12):
        raise ImportError(
            "PySide6 6.12.0 crashes after a few hundred signals on Python before 3.12. Install "
            'another binding: python -m pip install "PySide6-Essentials<6.12", or PyQt6'
        )
