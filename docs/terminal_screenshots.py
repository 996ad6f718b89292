"""Generate the terminal pictures in docs/images by running the command on the demo camera.

python docs/terminal_screenshots.py

A test regenerates and compares them, so that they show the current output. Numbers may differ
(times, rates, disk sizes); words may not.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
WIDTH = 92
#: Shown in the pictures instead of the temporary folder.
SHOWN_FOLDER = "/data"

MISTAKES = """\
channels:
  - {config: DAPI, exposure: 10}
  - {config: FITC, expsure: 20}
z_plan: {range: 4, step: 1}
"""
LONG = """\
axis_order: ptc
stage_positions:
  plate: 24-well
  a1_center_xy: [0, 0]
  selected_wells: [[0, 0, 1, 1], [0, 1, 0, 1]]
time_plan: {interval: 0, loops: 2}
channels: [DAPI, FITC]
"""
#: A run that loses a frame: the camera fails once.
_LOSES_ONE = (
    "import sys; from pymmcore_plus.mda import MDAEngine\n"
    "taken, whole = [], MDAEngine.exec_single_event\n"
    "def some(self, event):\n"
    "    taken.append(event)\n"
    "    return iter(()) if len(taken) == 6 else whole(self, event)\n"
    "MDAEngine.exec_single_event = some; sys.argv[0] = 'pymmcore-ome'\n"
    "from pymmcore_ome.cli.app import main; main()"
)

#: A line printed only if napari is not installed, which the pictures omit.
_WHERE_NAPARI_IS_MISSING = "napari comes with"

#: The commands shown in each picture.
PICTURES: dict[str, tuple[str, ...]] = {
    "terminal-demo": ("pymmcore-ome demo",),
    "terminal-dry-run": (
        "pymmcore-ome run plate.yaml --config demo --output plate.ome.zarr --dry-run",
    ),
    "terminal-info": ("pymmcore-ome info plate.ome.zarr",),
    "terminal-errors": (
        "pymmcore-ome run mistakes.yaml --config demo --output a.ome.zarr",
        "pymmcore-ome validate plate.ome.zarr",
    ),
}


def main(target: Path = IMAGES) -> None:
    """Write all pictures to a folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "mistakes.yaml").write_text(MISTAKES, encoding="utf-8")
        (folder / "plate.yaml").write_text(LONG, encoding="utf-8")
        for picture, commands in PICTURES.items():
            if picture == "terminal-info":  # shows a store from a run with a missing frame
                output_of(
                    folder, PICTURES["terminal-dry-run"][0].replace(" --dry-run", ""), _LOSES_ONE
                )
            console = Console(
                file=io.StringIO(), record=True, width=WIDTH, force_terminal=True,
                color_system="truecolor",
            )  # fmt: skip
            for number, command in enumerate(commands):
                console.print(("\n" if number else "") + f"[bold green]$[/] [bold]{command}[/]")
                for line in output_of(folder, command):
                    console.print(Text.from_ansi(line), soft_wrap=False)
            svg = console.export_svg(title="pymmcore-ome", unique_id=picture)
            # no downloaded fonts
            svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
            svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
            svg = "".join(f"{line.rstrip()}\n" for line in svg.splitlines())
            (target / f"{picture}.svg").write_text(svg, encoding="utf-8")


def output_of(folder: Path, command: str, program: str = "") -> list[str]:
    """Run a command as in a terminal; return the lines that are visible at the end."""
    program_words = ["-c", program] if program else ["-m", "pymmcore_ome"]
    ended = subprocess.run(
        [sys.executable, *program_words, *command.split()[1:]],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={
            **os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color",
            "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1",
        },
        check=False,
    )  # fmt: skip
    text = ended.stdout.decode("utf-8").rstrip("\n").replace(str(folder), SHOWN_FOLDER)
    text = re.sub(r"\x1b\[\?25[lh]", "", text)
    # a progress bar rewrites its line; only the last version remains
    lines = [re.split(r"\r(?:\x1b\[2K)?", line.rstrip("\r"))[-1] for line in text.split("\n")]
    return [line for line in lines if _WHERE_NAPARI_IS_MISSING not in line]


def words_of(svg: str) -> str:
    """Return the text of a picture, without numbers and the fill level of progress bars."""
    from html import unescape

    pieces = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    text = " ".join(unescape(re.sub(r"<[^>]+>", "", piece)) for piece in pieces)
    text = re.sub(r"[━╸╺]+", "━", text.replace("\xa0", " "))
    return " ".join(re.sub(r"[\d.:, -]*\d[\d.:, -]*", " # ", text).split())


if __name__ == "__main__":
    main()
