"""Users' text made fit for OME-XML. It refuses nothing: what XML cannot hold is replaced."""

from __future__ import annotations

from typing import Final

#: Characters that stand for other text while a document is put together; no user's text has them.
RESERVED: Final = ("\ue000", "\ue001")


def xml_text(text: str) -> str:
    """Return the text as one line, without characters that XML 1.0 cannot hold.

    Breaks and tabs become blanks: in an attribute they would be references (see `ome_xml`).
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c in "\t\n\r" else c if _is_sayable(c) else "\ufffd" for c in text)


def _is_sayable(c: str) -> bool:
    return c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= RESERVED[-1]
