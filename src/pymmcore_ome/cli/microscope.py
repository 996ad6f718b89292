"""Loads a microscope, with errors that its user can act on."""

from __future__ import annotations

import logging
from pathlib import Path

from pymmcore_plus import CMMCorePlus

import pymmcore_ome
from pymmcore_ome.errors import AcquisitionError, how_to_install


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
            f"Micro-Manager could not load {config}: {_short(error)} If a device adapter "
            f"is missing, install the demo camera with  {how_to_install('demo')},  or others with  "
            "mmcore install."
        ) from error
    if len(core.getLoadedDevices()) <= 1:  # Micro-Manager accepts any text
        raise AcquisitionError(
            f"{config} loads no device. Choose a Micro-Manager configuration (.cfg)."
        )
    return core


def _short(error: Exception) -> str:
    """Return Micro-Manager's message as one sentence; its lines often repeat each other."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(dict.fromkeys(lines)).rstrip(".") + "."


#: Selects the demo microscope instead of a configuration file.
DEMO = "demo"


def demo_folder() -> Path:
    """Return the folder of the demo configurations.

    Raises
    ------
    AcquisitionError
        When the package was installed without them.
    """
    package = Path(pymmcore_ome.__file__).parent
    for folder in (package / "demo_configs", package.parents[1] / "demo_configs"):
        if (folder / "demo.cfg").is_file():
            return folder
    raise AcquisitionError("The demo configurations were not installed with this package.")


def demo_sequences() -> dict[str, tuple[Path, str]]:
    """Return the file of each demo sequence by name, and its description."""
    return {file.stem: (file, first_comment(file)) for file in sorted(demo_folder().glob("*.yaml"))}


def demo_microscope(sequence: Path) -> Path:
    """Return the configuration of a demo sequence: the one with its name, or demo.cfg."""
    own = sequence.with_suffix(".cfg")
    return own if own.is_file() else sequence.with_name("demo.cfg")


def first_comment(file: Path) -> str:
    """Return the first sentence of the comment at the start of a file."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    sentence, _, _ = " ".join(lines).partition(". ")
    return sentence.rstrip(".")
