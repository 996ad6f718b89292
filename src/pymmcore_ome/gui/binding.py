"""Which Qt bindings a panel may stand on: all but those that end the program by themselves."""

from __future__ import annotations

import sys

import qtpy


def check_binding() -> None:
    """Refuse a binding that is known to crash.

    PySide6 6.12.0 gives a reference to True away with every signal; before Python 3.12, which
    counts none for True, the program is ended after some hundreds.

    Raises
    ------
    ImportError
    """
    if qtpy.PYSIDE6 and qtpy.PYSIDE_VERSION == "6.12.0" and sys.version_info < (3, 12):
        raise ImportError(
            "PySide6 6.12.0 ends the program after some hundred signals on Python before 3.12. "
            'Take another: python -m pip install "PySide6-Essentials<6.12", or PyQt6'
        )
