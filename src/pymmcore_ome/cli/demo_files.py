"""Where the demo configurations are: in the installed package, or in the source tree."""

from __future__ import annotations

from pathlib import Path

import pymmcore_ome


def demo_folder() -> Path:
    """Return the folder of the demo configurations.

    Raises
    ------
    FileNotFoundError
        When the package was installed without them.
    """
    package = Path(pymmcore_ome.__file__).parent
    for folder in (package / "demo_configs", package.parents[1] / "demo_configs"):
        if (folder / "demo.cfg").is_file():
            return folder
    raise FileNotFoundError("The demo configurations were not installed with this package.")
