"""Replaces the icons of pymmcore-widgets without a network, and without waiting.

pymmcore-widgets loads its icons from iconify.design, one request for each icon, and superqt waits
for each: behind a firewall that drops packets, as on many microscope computers, a panel needs half
a minute to open, and freezes again for every new icon. After the first failure, no other icon is
requested. Remove this when pymmcore-widgets ships its icons.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import superqt.iconify

#: The shapes of our icons, on a field of 24 x 24, by words in the names of theirs.
_SHAPES: Final = (
    ("arrow-left", "M20 11H8l5-5-1.5-1.5L4 12l7.5 7.5L13 18l-5-5h12z"),
    ("arrow-right", "M4 11h12l-5-5 1.5-1.5L20 12l-7.5 7.5L11 18l5-5H4z"),
    ("arrow-up", "M11 20V8l-5 5-1.5-1.5L12 4l7.5 7.5L18 13l-5-5v12z"),
    ("arrow-down", "M11 4v12l-5-5-1.5 1.5L12 20l7.5-7.5L18 11l-5 5V4z"),
    ("collapse-up", "M4 4h16v2H4zM11 20v-8l-3 3-1.4-1.4L12 8l5.4 5.6L16 15l-3-3v8z"),
    ("collapse-down", "M4 18h16v2H4zM11 4v8l-3-3-1.4 1.4L12 16l5.4-5.6L16 9l-3 3V4z"),
    ("expand-vertical", "M12 2l5 5h-4v10h4l-5 5-5-5h4V7H7z"),
    ("split-horizontal", "M3 11h18v2H3zM12 2l4 4h-3v3h-2V6H8zM12 22l-4-4h3v-3h2v3h3z"),
    ("expand-up", "M12 2l6 6h-5v12h-2V8H6z"),
    ("plus", "M10 4h4v6h6v4h-6v6h-4v-6H4v-4h6z"),
    ("checkbox-multiple-marked", "M3 3h18v18H3zM10 17L19 8l-1.5-1.5L10 14l-3.5-3.5L5 12z"),
    ("checkbox-multiple-blank", "M3 3h18v18H3zM5 5v14h14V5z"),
    ("close", "M6 4l6 6 6-6 2 2-6 6 6 6-2 2-6-6-6 6-2-2 6-6-6-6z"),
    ("play", "M7 4l13 8-13 8z"),
    ("pause", "M6 4h4v16H6zM14 4h4v16h-4z"),
    ("stop", "M5 5h14v14H5z"),
    ("axis", "M4 3h2v15h15v2H4zM8 16V8h2v8zM12 16v-5h2v5z"),
    ("flag", "M5 3h2v1h12l-3 4 3 4H7v9H5z"),
)  # fmt: skip
_PLAIN: Final = "M12 7a5 5 0 1 0 .01 0z"
_has_failed = False


def without_waiting() -> None:
    """Stop requesting icons in this program after one failed. May be called again."""
    iconify: Any = superqt.iconify
    if getattr(iconify.svg_path, "is_ours", False):
        return
    original: Callable[..., Any] = iconify.svg_path

    def svg_path(*key: Any, **options: Any) -> Any:
        global _has_failed
        if not _has_failed:
            try:
                return original(*key, **options)
            except OSError:
                _has_failed = True
        return plain_icon(":".join(map(str, key)), options.get("color"))

    svg_path.is_ours = True  # type: ignore[attr-defined]
    iconify.svg_path = svg_path


_made: dict[tuple[str, str], Path] = {}
_folder: tempfile.TemporaryDirectory[str] | None = None


def plain_icon(name: str, color: str | None) -> Path:
    """Return the SVG file of our icon that replaces one of theirs."""
    global _folder
    color = color or "gray"
    shape = next((shape for words, shape in _SHAPES if words in name), _PLAIN)
    if (shape, color) not in _made:
        if _folder is None:
            _folder = tempfile.TemporaryDirectory(prefix="pymmcore-ome-")
        file = Path(_folder.name) / f"{len(_made)}.svg"
        file.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24">'
            f'<path fill="{color}" fill-rule="evenodd" d="{shape}"/></svg>',
            encoding="utf-8",
        )
        _made[shape, color] = file
    return _made[shape, color]
