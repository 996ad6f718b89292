"""Which names may appear in a store, and how any text becomes such a name.

Pure text. Group names on disk are never made from a user's text except plate rows and
columns, which the NGFF specification limits to letters and digits (0.5, section 2.4); all
other names are held to what every file system takes, so that they may serve as paths.
"""

from __future__ import annotations

import re

from pymmcore_ome.errors import UnsafeNameError

_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = re.compile(
    r"(ome|zarr\.json|frames\.jsonl|\.z\w+|__.*|con|prn|aux|nul|(com|lpt)\d)(\..*)?",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_\- ]*[A-Za-z0-9_\-])?")  # most names: one look
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_MAX_LENGTH = 200
_MAX_MADE_LENGTH = 120  # so that a tile's number can be added
_RESERVED_REASON = "the store or the operating system keeps this name for itself"


def unsafe_reason(name: str) -> str | None:
    """Return why a name may not appear in a store, or None when it may."""
    if not name or not name.strip():
        return "it is empty"
    if len(name) > _MAX_LENGTH:
        return f"it has {len(name)} characters, at most {_MAX_LENGTH} are allowed"
    if _PLAIN.fullmatch(name):
        return _RESERVED_REASON if _RESERVED.fullmatch(name) else None
    if found := next((char for char in name if _is_forbidden(char)), None):
        return f"it contains {found!r}"
    if name.strip(". ") != name:
        return "it begins or ends with a dot or a space"
    if _RESERVED.fullmatch(name):
        return _RESERVED_REASON
    return None


def check_safe(name: str, what: str) -> str:
    """Return the name, or raise `UnsafeNameError` when it could leave the store."""
    if reason := unsafe_reason(name):
        raise UnsafeNameError(
            f"{what} name {name!r} cannot be used: {reason}. Use letters, digits, '-' and "
            f"'_' (suggested: {safe_name(name)!r}) and keep any other text in label=."
        )
    return name


def check_alphanumeric(name: str, what: str) -> str:
    """Return the name, or raise `UnsafeNameError` unless it is letters and digits only."""
    if not _ALPHANUMERIC.fullmatch(name):
        raise UnsafeNameError(
            f"{what} name {name!r} cannot be used: OME-Zarr 0.5 allows letters A-Z, a-z and "
            "digits only, because it becomes a path."
        )
    if _RESERVED.fullmatch(name):
        raise UnsafeNameError(f"{what} name {name!r} cannot be used: it is reserved.")
    return name


def safe_name(text: str) -> str:
    """Return the nearest safe name to any text; the same text gives the same name."""
    if len(text) <= _MAX_MADE_LENGTH and unsafe_reason(text) is None:
        return text
    name = (
        "".join("_" if _is_forbidden(char) else char for char in text)
        .strip(". ")[:_MAX_MADE_LENGTH]
        .strip(". ")
        or "unnamed"
    )
    return f"n_{name}" if _RESERVED.fullmatch(name) else name


def _is_forbidden(char: str) -> bool:
    """Whether some file system, or a person's eye, would trip over this character."""
    return char in _FORBIDDEN or not char.isprintable()
