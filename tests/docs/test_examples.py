"""Every example in the documentation and in the docstrings runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from pymmcore_plus import CMMCorePlus

import pymmcore_ome
from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(pymmcore_ome.__path__, "pymmcore_ome.")
    if not info.name.endswith("__main__")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_blocks_of_a_page_run_one_after_the_other(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        for number, block in enumerate(blocks):
            exec(compile(block, f"{page.name} block {number}", "exec"), names)
    finally:
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
