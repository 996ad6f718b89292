"""mkdocs hooks that adapt pages and docstrings for the site.

Links to files outside docs/ become plain text, because the site does not include the source tree.
On a code host, they remain links. A link to a missing file is an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)[^)]*\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace links to files outside docs/ with their text and the file's path."""
    folder = (DOCS / page.file.src_uri).parent

    def plain(match: re.Match[str]) -> str:
        text, target = match.groups()
        file = (folder / target).resolve()
        if file.is_relative_to(DOCS):
            return match[0]
        if not file.exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {target}, which does not exist")
        return f"{text} (`{file.relative_to(DOCS.parent).as_posix()}`)"

    return _LINK.sub(plain, markdown)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Remove reStructuredText markup in docstrings that Markdown does not support."""
    if not page.file.src_uri.startswith("reference/api/"):
        return html
    html = html.replace("<p>::</p>", "").replace("path - like", "path-like")
    return html.replace("``", "")
