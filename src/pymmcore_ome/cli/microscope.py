"""Loading a microscope and a sequence, with errors that a person at it can act on."""

from __future__ import annotations

import logging
from pathlib import Path

import useq
import yaml
from pydantic import ValidationError
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.errors import AcquisitionError, SequenceError


def load_core(config: Path) -> CMMCorePlus:
    """Return a core with a configuration loaded.

    Raises
    ------
    AcquisitionError
        When the file is missing or Micro-Manager refuses it.
    """
    if not config.is_file():
        raise AcquisitionError(f"The configuration {config} does not exist.")
    logging.getLogger("pymmcore-plus").setLevel(logging.ERROR)
    core = CMMCorePlus()
    try:
        core.loadSystemConfiguration(config)
    except (RuntimeError, OSError) as error:
        raise AcquisitionError(
            f"Micro-Manager could not load {config}: {error}. If a device adapter was not "
            'found: the demo camera comes with  python -m pip install "pymmcore-ome[demo]"  '
            "and others with  mmcore install."
        ) from error
    return core


def load_sequence(path: Path) -> useq.MDASequence:
    """Return the sequence of a YAML or JSON file.

    Raises
    ------
    SequenceError
        When the file is missing, is no YAML (with the line), or is no sequence (with the
        field).
    """
    if not path.is_file():
        raise SequenceError(f"The sequence {path} does not exist.")
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SequenceError(f"{path} is not YAML or JSON: {error}") from error
    if not isinstance(fields, dict):
        raise SequenceError(f"{path} holds no sequence: expected fields such as channels:")
    try:
        return useq.MDASequence(**fields)
    except (ValidationError, TypeError) as error:
        raise SequenceError(f"{path} is not a sequence: {error}") from error
