"""Units of length and time: NGFF's names, the short forms that people write, and their sizes.

Those are the UDUNITS-2 names that NGFF 0.5 recommends (section 2.1); all others are refused.
"""

from __future__ import annotations

from typing import Final

_PREFIXES: Final = {
    "yotta": 24, "zetta": 21, "exa": 18, "peta": 15, "tera": 12, "giga": 9, "mega": 6, "kilo": 3,
    "hecto": 2, "": 0, "deci": -1, "centi": -2, "milli": -3, "micro": -6, "nano": -9, "pico": -12,
    "femto": -15, "atto": -18, "zepto": -21, "yocto": -24,
}  # fmt: skip

#: Micrometres in one of each unit of length.
MICROMETERS: Final[dict[str, float]] = {
    **{f"{prefix}meter": 10.0 ** (power + 6) for prefix, power in _PREFIXES.items()},
    "angstrom": 1e-4, "inch": 25_400.0, "foot": 304_800.0, "yard": 914_400.0,
    "mile": 1_609_344_000.0, "parsec": 3.0856775814913673e22,
}  # fmt: skip

#: Seconds in one of each unit of time.
SECONDS: Final[dict[str, float]] = {
    **{f"{prefix}second": 10.0**power for prefix, power in _PREFIXES.items()},
    "minute": 60.0, "hour": 3600.0, "day": 86_400.0,
}  # fmt: skip

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
    known = MICROMETERS if kind == "space" else SECONDS
    name = _SHORT.get(unit, unit)
    if name not in known:
        common = (
            "nanometer, micrometer, millimeter"
            if kind == "space"
            else "second, millisecond, minute"
        )
        raise ValueError(f"unit {unit!r} is none of {kind}: use NGFF's names, such as {common}")
    return name
