"""Which pixel types can be stored: those that both OME formats can name."""

from __future__ import annotations

from typing import Final

import numpy as np

#: The numpy dtypes that OME-XML's PixelType can name (2016-06 schema), complex and bit aside.
PIXEL_DTYPES: Final = (
    "uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64",
)  # fmt: skip


def check_dtype(value: object) -> str:
    """Return the dtype's plain numpy name, or raise ValueError when it cannot be stored."""
    try:
        name = "" if value is None else np.dtype(value).name  # type: ignore[call-overload]
    except (TypeError, ValueError, SyntaxError):
        name = ""
    if name not in PIXEL_DTYPES:
        raise ValueError(f"expected one of {', '.join(PIXEL_DTYPES)}")
    return str(name)


def check_bits(significant_bits: int | None, dtype: str) -> None:
    """Raise ValueError when a pixel has fewer bits than are said to carry signal."""
    bits = np.dtype(dtype).itemsize * 8
    if significant_bits is not None and significant_bits > bits:
        raise ValueError(f"significant_bits is {significant_bits}, {dtype} has {bits}")
