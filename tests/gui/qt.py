"""Where there is no Qt, tests of widgets are skipped, with the words that bring it."""

from __future__ import annotations

import os

import pytest


def need_qt() -> None:
    """Skip the module that calls this, unless panels can be made here."""
    try:
        with pytest.MonkeyPatch.context() as patched:  # pymmcore-widgets sets it for everybody
            patched.setenv("PYMM_SIGNALS_BACKEND", "auto")
            import pymmcore_widgets  # noqa: F401
            import pytestqt  # noqa: F401
            from qtpy import QtWidgets  # noqa: F401
    except ImportError as error:
        if os.environ.get("PYMMCORE_OME_PANELS"):  # where none may be missing
            raise
        pytest.skip(
            f"panels need Qt ({error}): python -m pip install -e '.[test,gui-test]', and on "
            "Linux without a desktop: apt-get install libegl1 libgl1 libxkbcommon0 libdbus-1-3",
            allow_module_level=True,
        )
