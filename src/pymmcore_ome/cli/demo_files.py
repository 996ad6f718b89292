"""Where the demo configurations are: in the installed package, or in the source tree."""

from __future__ import annotations

from pathlib import Path

import pymmcore_ome
from pymmcore_ome.errors import AcquisitionError

#: Given instead of a configuration file: the demo microscope.
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
    """Return the file of each demo sequence by name, and what its first comment says it shows."""
    return {file.stem: (file, first_comment(file)) for file in sorted(demo_folder().glob("*.yaml"))}


def demo_microscope(sequence: Path) -> Path:
    """Return the configuration that a demo sequence is made for: one of its name, or demo.cfg."""
    own = sequence.with_suffix(".cfg")
    return own if own.is_file() else sequence.with_name("demo.cfg")


def first_comment(file: Path) -> str:
    """Return the first sentence of the comment that a file begins with."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    sentence, _, _ = " ".join(lines).partition(". ")
    return sentence.rstrip(".")
