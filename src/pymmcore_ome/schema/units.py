"""Units of length and time: NGFF's names, common short forms, sizes and symbols.

Those are the UDUNITS-2 names that NGFF 0.5 recommends (section 2.1); all others are refused.
"""

from __future__ import annotations

from typing import Final

#: Symbol and power of ten of each SI prefix.
_PREFIXES: Final = {
    "yotta": ("Y", 24), "zetta": ("Z", 21), "exa": ("E", 18), "peta": ("P", 15),
    "tera": ("T", 12), "giga": ("G", 9), "mega": ("M", 6), "kilo": ("k", 3), "hecto": ("h", 2),
    "": ("", 0), "deci": ("d", -1), "centi": ("c", -2), "milli": ("m", -3),
    "micro": ("\u00b5", -6), "nano": ("n", -9), "pico": ("p", -12), "femto": ("f", -15),
    "atto": ("a", -18), "zepto": ("z", -21), "yocto": ("y", -24),
}  # fmt: skip
#: Symbol and micrometers of each other unit of length.
_OTHER_LENGTHS: Final = {
    "angstrom": ("\u00c5", 1e-4), "inch": ("in", 25_400.0), "foot": ("ft", 304_800.0),
    "yard": ("yd", 914_400.0), "mile": ("mi", 1_609_344_000.0),
    "parsec": ("pc", 3.0856775814913673e22),
}  # fmt: skip
#: Symbol and seconds of each other unit of time.
_OTHER_TIMES: Final = {"minute": ("min", 60.0), "hour": ("h", 3600.0), "day": ("d", 86_400.0)}

#: Micrometers in one of each unit of length.
MICROMETERS: Final[dict[str, float]] = {
    **{f"{prefix}meter": 10.0 ** (power + 6) for prefix, (_, power) in _PREFIXES.items()},
    **{name: size for name, (_, size) in _OTHER_LENGTHS.items()},
}

#: Seconds in one of each unit of time.
SECONDS: Final[dict[str, float]] = {
    **{f"{prefix}second": 10.0**power for prefix, (_, power) in _PREFIXES.items()},
    **{name: size for name, (_, size) in _OTHER_TIMES.items()},
}

#: The symbol of each of them, as OME-XML (UnitsLength, UnitsTime) writes it.
UNIT_SYMBOLS: Final[dict[str, str]] = {
    **{f"{prefix}meter": f"{symbol}m" for prefix, (symbol, _) in _PREFIXES.items()},
    **{f"{prefix}second": f"{symbol}s" for prefix, (symbol, _) in _PREFIXES.items()},
    **{name: symbol for name, (symbol, _) in (_OTHER_LENGTHS | _OTHER_TIMES).items()},
}

_SHORT: Final = {
    "um": "micrometer", "\u00b5m": "micrometer", "\u03bcm": "micrometer", "micron": "micrometer",
    "microns": "micrometer", "nm": "nanometer", "mm": "millimeter", "cm": "centimeter",
    "m": "meter", "pm": "picometer", "s": "second", "sec": "second", "ms": "millisecond",
    "us": "microsecond", "\u00b5s": "microsecond", "\u03bcs": "microsecond", "ns": "nanosecond",
    "min": "minute", "h": "hour",
}  # fmt: skip


def check_unit(kind: str, unit: str | None) -> str | None:
    """Return NGFF's name of a unit for an axis of this kind; raise ValueError for no such unit.

    Axes of other kinds than space and time may have any unit.
    """
    if unit is None or kind not in ("space", "time"):
        return unit
    units = MICROMETERS if kind == "space" else SECONDS
    name = _SHORT.get(unit, unit)
    if name not in units:
        common = (
            "nanometer, micrometer, millimeter"
            if kind == "space"
            else "second, millisecond, minute"
        )
        raise ValueError(f"unit {unit!r} is none of {kind}: use NGFF's names, such as {common}")
    return name
