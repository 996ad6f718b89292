"""The reference pages name everything that there is."""

from __future__ import annotations

import importlib
import re
import tomllib

import pytest
import typer
import useq
import yaml

import pymmcore_ome as po
from conftest import ROOT
from pymmcore_ome.cli.app import app

REFERENCE = ROOT / "docs" / "reference"
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_page_names_every_option(name: str) -> None:
    page = (REFERENCE / "command.md").read_text(encoding="utf-8")
    assert f"| `pymmcore-ome {name}" in page
    (section,) = re.findall(rf"^## [\w, ]*\b{name}\b.*?(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    for option in COMMANDS[name].params:
        told = option.opts[0] if option.param_type_name == "option" else option.name.upper()
        assert f"`{told}" in section


def test_command_page_names_every_exit_code() -> None:
    from pymmcore_ome.cli.interrupts import CANCELED
    from pymmcore_ome.cli.run import FRAMES_MISSING
    from pymmcore_ome.cli.stores import SETTINGS_NOT_APPLIED

    page = (REFERENCE / "command.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| (\d+) \|", page.partition("## Exit codes")[2], re.MULTILINE)
    assert codes == [str(n) for n in (0, 1, 2, FRAMES_MISSING, SETTINGS_NOT_APPLIED, CANCELED)]


def test_python_pages_name_everything_public() -> None:
    pages = "\n".join(page.read_text() for page in (REFERENCE / "api").glob("*.md"))
    named = re.findall(r"^::: (pymmcore_ome[\w.]*)\.(\w+)$", pages, re.MULTILINE)
    for module, name in named:
        assert hasattr(importlib.import_module(module), name)
    assert set(po.__all__) - {"errors"} <= {name for _, name in named}


def test_error_page_names_every_error() -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    for name, value in vars(po.errors).items():
        is_error = isinstance(value, type) and issubclass(value, Exception)
        if is_error and value is not po.errors.PymmcoreOmeError:
            assert f"`{name}`" in page


def test_sequence_file_page_names_every_field() -> None:
    page = (REFERENCE / "sequence-file.md").read_text(encoding="utf-8")
    plans = [
        useq.MDASequence, useq.Channel, useq.AbsolutePosition, useq.WellPlatePlan, useq.WellPlate,
        useq.ZTopBottom, useq.ZRangeAround, useq.ZAboveBelow, useq.ZRelativePositions,
        useq.ZAbsolutePositions, useq.TIntervalLoops, useq.TDurationLoops, useq.TIntervalDuration,
        useq.MultiPhaseTimePlan, useq.GridRowsColumns, useq.GridFromEdges, useq.GridWidthHeight,
        useq.RandomPoints, useq.AxesBasedAF,
    ]  # fmt: skip
    fields = {name for plan in plans for name in plan.model_fields}
    assert sorted(name for name in fields if f"`{name}`" not in page) == []


def test_versions_agree() -> None:
    root = REFERENCE.parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    (newest, *_) = re.findall(
        r"^## ([\w.]+)", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert project["version"] == citation["version"] == newest
    assert project["license"] == citation["license"]


def test_platforms_page_lists_every_dependency() -> None:
    page = (REFERENCE / "platforms.md").read_text(encoding="utf-8")
    project = tomllib.loads((REFERENCE.parents[1] / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] + [
        package
        for extra in ("acquire", "zarr", "zarrs", "gui", "napari", "demo", "analysis")
        for package in project["optional-dependencies"][extra]
    ]
    names = {re.split(r"[\[><=! ]", package)[0] for package in needed} - {"pymmcore-ome"}
    assert sorted(name for name in names if f"| {name} |" not in page) == []


def test_picture_of_the_rooms_shows_what_its_source_says() -> None:
    images = REFERENCE.parent / "images"
    picture = (images / "architecture.svg").read_text(encoding="utf-8")
    source = (images / "architecture.mmd").read_text(encoding="utf-8")
    labels = re.findall(r'"([^"]+)"', source)
    assert len(labels) > 10
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", picture))
    assert [label for label in labels if label not in shown] == []
