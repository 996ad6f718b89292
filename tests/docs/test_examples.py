"""Every example in the documentation and in the docstrings runs."""

from __future__ import annotations

import doctest
import importlib
import logging
import pkgutil
import re
from pathlib import Path

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
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(pymmcore_ome.__path__, "pymmcore_ome.")
    if not info.name.endswith("__main__")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_block_of_a_page_runs_one_after_the_other(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with_demo_configs(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    log = logging.getLogger("pymmcore-plus")
    level = log.level
    try:
        for block in blocks_of(page):
            run_block(block, names, monkeypatch)
    finally:
        log.setLevel(level)  # the command makes it quiet
        pymmcore_ome.install(CMMCorePlus.instance()).uninstall()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_first_what_it_is(name: str) -> None:
    text = importlib.import_module(name).__doc__
    assert text
    assert len(text.splitlines()[0]) > 20


def test_no_file_is_too_long() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, f"{file.name} wants to be split"
