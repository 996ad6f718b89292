"""The pictures of the terminal show what the command says now."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from conftest import ROOT


def test_pictures_say_what_the_command_says(tmp_path: Path) -> None:
    script = ROOT / "docs" / "terminal_screenshots.py"
    spec = importlib.util.spec_from_file_location("terminal_screenshots", script)
    assert spec is not None
    assert spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    pictures.main(tmp_path)
    for name in pictures.PICTURES:
        made = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        kept = (ROOT / "docs" / "images" / f"{name}.svg").read_text(encoding="utf-8")
        assert "url(http" not in made, "a picture fetches nothing"
        assert pictures.words_of(made) == pictures.words_of(kept), (
            f"{name}.svg is out of date: python docs/terminal_screenshots.py"
        )
