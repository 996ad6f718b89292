"""The code blocks of a page, and how each kind is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import ndv
import pytest
import typer

from conftest import ROOT
from pymmcore_ome.cli.app import app, ended
from pymmcore_ome.cli.sequence_file import load_sequence

_FENCED = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"\n\n((?:    [^\n]*\n)+)")


class Block(NamedTuple):
    """A code block: its language ("" for a drawing), what follows that word, its text."""

    language: str
    title: str
    text: str
    heading: str = ""  # the one that it is under: a reader may start there


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield every code block of a page, in order; an indented one is taken for commands."""
    text = page.read_text(encoding="utf-8")
    found = [
        (match.start(), Block(match[1], match[2].strip(), match[3]))
        for match in _FENCED.finditer(text)
    ]
    plain = _FENCED.sub(lambda match: re.sub(r"[^\n]", "x", match[0]), text)
    found += [
        (match.start(), Block("bash", "", match[1])) for match in _INDENTED.finditer(f"{plain}\n")
    ]
    headings = [(match.start(), match[0]) for match in re.finditer("^#+ .*$", plain, re.MULTILINE)]
    for start, block in sorted(found, key=lambda item: item[0]):
        above = [heading for at, heading in headings if at < start]
        yield block._replace(heading=above[-1] if above else "")


def run_block(block: Block, names: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a block in the current folder; fail when it fails, or when nobody knows how to run it."""
    match block.language:
        case "python" if block.title == "window":
            return  # tests/napari_plugin runs these, in a window
        case "python":
            if block.title == "ndv":
                names["ndv"] = SimpleNamespace(ArrayViewer=_without_window)
            exec(compile(block.text, "block", "exec"), names)
        case "yaml":
            title = re.fullmatch(r'title="([\w.]+)"', block.title)
            assert title, "a sequence needs the name of its file: ```yaml title=…"
            Path(title[1]).write_text(block.text, encoding="utf-8")
            load_sequence(Path(title[1]))
        case "bash":
            for line in block.text.splitlines():
                for command in line.split("&&"):
                    _run_command(shlex.split(command, comments=True), monkeypatch)
        case "text":  # needs a real microscope, a download, or a desktop
            commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
            for line in block.text.splitlines():
                program, *rest = shlex.split(line, comments=True, posix=False)
                assert program in {"mmcore", "napari", "pymmcore-ome", "zip", "unzip", "omero"}
                assert program != "pymmcore-ome" or rest[0] in commands
        case "toml":
            tomllib.loads(block.text)
        case "":
            assert "pymmcore-ome " not in block.text, "a command needs its language: ```bash"
        case _:
            pytest.fail(f"nobody runs blocks of {block.language}")


def _without_window(view: object) -> SimpleNamespace:
    """Stand in for ndv's viewer, which needs a window, with ndv's own wrapper of the data."""
    return SimpleNamespace(data_wrapper=ndv.DataWrapper.create(view))


def _run_command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    match words:
        case []:
            return
        case ["pymmcore-ome", *rest]:
            monkeypatch.setattr(sys, "argv", words)
            needs_more = any("parquet" in word for word in rest) and not find_spec("pyarrow")
            assert ended() == (1 if needs_more else 0), shlex.join(words)
        case ["python", "-m", "pip", "install", *packages]:
            known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            for package in packages:
                assert not package.startswith("pymmcore-ome"), "only the form .[extra] is possible"
                if extras := re.fullmatch(r"\.\[([\w,-]+)\]", package):
                    assert set(extras[1].split(",")) <= set(known["optional-dependencies"])
        case ["git", "clone", _, "pymmcore-ome"] | ["cd", "pymmcore-ome"]:
            return  # there is a clone already
        case ["python", "-m", "venv", ".venv"] | ["source", ".venv/bin/activate"]:
            return  # the tests run in an environment of their own
        case ["bash", script]:
            assert (ROOT / script).is_file()
        case ["python", "-m", "pytest", *_]:
            assert (ROOT / "tests").is_dir()
        case ["mkdocs", "build", "--strict"]:
            assert (ROOT / "mkdocs.yml").is_file()
        case ["python", "-m", "build"] | ["twine", "check", "--strict", "dist/*"]:
            return  # they build the package
        case ["python", script] if script.endswith(".py"):
            assert (ROOT / script).is_file()
        case _:
            pytest.fail(f"nobody runs {shlex.join(words)}")


def with_demo_configs(folder: Path) -> None:
    """Put the demo configurations where the pages expect them."""
    shutil.copytree(ROOT / "demo_configs", folder / "demo_configs")
    os.chdir(folder)
