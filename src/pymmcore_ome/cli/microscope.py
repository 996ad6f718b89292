"""Loading a microscope, with errors that a person at it can act on."""

from __future__ import annotations

import logging
from pathlib import Path

from pymmcore_plus import CMMCorePlus

from pymmcore_ome.errors import AcquisitionError

from .demo_files import DEMO, demo_folder


def load_core(config: Path) -> CMMCorePlus:
    """Return a core with a configuration loaded; ``demo`` is the demo microscope.

    Raises
    ------
    AcquisitionError
        When the file is missing or Micro-Manager refuses it.
    """
    if not config.is_file():
        if str(config) != DEMO:
            what = "is a folder, not a file" if config.is_dir() else "does not exist"
            raise AcquisitionError(
                f"The configuration {config} {what}. Give the path of a Micro-Manager "
                f"configuration (.cfg), or  --config {DEMO}  for the demo microscope."
            )
        config = demo_folder() / "demo.cfg"
    logging.getLogger("pymmcore-plus").setLevel(logging.ERROR)
    core = CMMCorePlus()
    try:
        core.loadSystemConfiguration(config)
    except (RuntimeError, OSError, ValueError) as error:
        raise AcquisitionError(
            f"Micro-Manager could not load {config}: {_short(error)} If a device adapter was not "
            'found: the demo camera comes with  python -m pip install "pymmcore-ome[demo]"  '
            "and others with  mmcore install."
        ) from error
    if len(core.getLoadedDevices()) <= 1:  # Micro-Manager reads any text without a word
        raise AcquisitionError(
            f"The configuration {config} loads no device. Is it one of Micro-Manager (.cfg)?"
        )
    return core


def _short(error: Exception) -> str:
    """Return Micro-Manager's message as one sentence; its lines often say the same."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(dict.fromkeys(lines)).rstrip(".") + "."
