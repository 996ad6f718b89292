"""Every example in the documentation and in the docstrings runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import logging
import re
from pathlib import Path
from types import ModuleType

import pytest
from pymmcore_plus import CMMCorePlus

import pymmcore_ome
from conftest import ROOT

from .blocks import blocks_of, run_block, with_demo_configs

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "demo_configs" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
WITH_QT = {ROOT / "docs" / "how-to" / "panels.md"}  # whose examples tests/gui runs
SRC = ROOT / "src"
#: Each file of ours, by the name of its module.
MODULES = {
    ".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted((SRC / "pymmcore_ome").rglob("*.py"))
}


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def module_of(name: str) -> ModuleType:
    """Import a module of ours; skip where it needs Qt and there is none."""
    try:
        with pytest.MonkeyPatch.context() as patched:  # pymmcore-widgets sets it for everybody
            patched.setenv("PYMM_SIGNALS_BACKEND", "auto")
            return importlib.import_module(name)
    except ImportError as error:
        if not name.startswith("pymmcore_ome.gui."):
            raise
        pytest.skip(f"{name} needs Qt ({error}): python -m pip install -e '.[test,gui-test]'")


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p not in WITH_QT], ids=lambda p: str(p.relative_to(ROOT))
)
def test_blocks_of_a_page_run_and_need_only_what_is_under_their_heading(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with_demo_configs(tmp_path)
    names: dict[str, object] = {}
    heading: str | None = None
    log = logging.getLogger("pymmcore-plus")
    level = log.level
    try:
        for block in blocks_of(page):
            if block.heading != heading:  # files stay, names do not
                heading, names = block.heading, {"__name__": "__main__"}
            run_block(block, names, monkeypatch)
    finally:
        log.setLevel(level)  # the command makes it quiet
        pymmcore_ome.install(CMMCorePlus.instance()).uninstall()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("name", [name for name, file in MODULES.items() if ">>>" in text_of(file)])
def test_docstring_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(module_of(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0
    assert tried > 0


def test_every_module_says_first_what_it_is() -> None:
    for name, file in MODULES.items():
        said = ast.get_docstring(ast.parse(text_of(file))) or ""
        assert len(said.partition("\n")[0]) > 20, f"{name} does not say what it is"


def test_no_file_is_too_long() -> None:
    for name, file in MODULES.items():
        lines = len(text_of(file).splitlines())
        assert lines <= 600, f"{name} has {lines} lines, and is at most one noun of 600: split it"
