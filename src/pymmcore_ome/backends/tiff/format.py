"""The bytes of a TIFF: header, pages and their tags, classic and BigTIFF. No file, no frame.

TIFF 6.0, sections 2 and 8; BigTIFF has 8 bytes where classic has 4. Always little-endian.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.layout import halved

NEW_SUBFILE_TYPE: Final = 254
IMAGE_DESCRIPTION: Final = 270
STRIP_OFFSETS: Final = 273
STRIP_BYTE_COUNTS: Final = 279
SUB_PAGES: Final = 330
_ASCII, _SHORT, _LONG, _RATIONAL, _LONG8 = 2, 3, 4, 5, 16
_SAMPLE_FORMATS: Final = {"u": 1, "i": 2, "f": 3}


class PageKind(NamedTuple):
    """What all pages of an image have in common.

    `pixels_per_cm` is along x and y, None where the size of a pixel is not known. `is_reduced`:
    they are a smaller level of other pages.
    """

    height: int
    width: int
    samples: int
    dtype: str
    compression: int
    predictor: int
    pixels_per_cm: tuple[float, float] | None
    is_reduced: bool = False

    def level(self, level: int) -> PageKind:
        """Return the kind of the pages of a resolution level."""
        x, y = self.pixels_per_cm or (0.0, 0.0)
        return self._replace(
            height=halved(self.height, level),
            width=halved(self.width, level),
            pixels_per_cm=(x / 2**level, y / 2**level) if self.pixels_per_cm else None,
            is_reduced=True,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of a frame before compression."""
        return self.height * self.width * self.samples * np.dtype(self.dtype).itemsize


class TiffForm:
    """The widths of one of the two forms of TIFF."""

    def __init__(self, big: bool) -> None:
        self.big = big
        self.offset = np.dtype("<u8" if big else "<u4")
        self.count = np.dtype("<u8" if big else "<u2")
        self.entry = np.dtype(
            [("code", "<u2"), ("type", "<u2"), ("count", self.offset), ("value", self.offset)]
        )
        self.first_page_at = 8 if big else 4
        self.limit = 2**63 if big else 2**32

    @property
    def header(self) -> bytes:
        """The header of a file without a page."""
        if self.big:
            return struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0)
        return struct.pack("<2sHI", b"II", 42, 0)

    def check_room(self, end: int) -> None:
        """Raise OSError when a file of this form cannot be so long."""
        if end > self.limit:
            raise OSError("a classic TIFF ends at 4 GiB; write a BigTIFF (bigtiff=True)")

    def row(self, tags: int) -> np.dtype[Any]:
        """Return the dtype of a page with that many tags."""
        return np.dtype(
            [("count", self.count), ("tags", self.entry, (tags,)), ("next", self.offset)]
        )

    def page(
        self, kind: PageKind, constants_at: int, described: bool, sub_pages: int = 0
    ) -> tuple[NDArray[Any], bytes]:
        """Return a page, as an array of one row, and the constants that it refers to.

        Strip, description and the pages of smaller levels are 0; the caller fills them in.
        `constants_at` is where the caller will write the constants.
        """
        bits = np.dtype(kind.dtype).itemsize * 8
        resolution = kind.pixels_per_cm or (1.0, 1.0)
        sample_format = _SAMPLE_FORMATS[np.dtype(kind.dtype).kind]
        entries: list[tuple[int, int, int, bytes]] = [
            _number(256, _LONG, kind.width),
            _number(257, _LONG, kind.height),
            (258, _SHORT, kind.samples, struct.pack("<H", bits) * kind.samples),
            _number(259, _SHORT, kind.compression),
            _number(262, _SHORT, 2 if kind.samples == 3 else 1),
            _number(STRIP_OFFSETS, _LONG8 if self.big else _LONG, 0),
            _number(277, _SHORT, kind.samples),
            _number(278, _LONG, kind.height),
            _number(STRIP_BYTE_COUNTS, _LONG8 if self.big else _LONG, 0),
            (282, _RATIONAL, 1, _rational(resolution[0])),
            (283, _RATIONAL, 1, _rational(resolution[1])),
            _number(284, _SHORT, 1),
            _number(296, _SHORT, 1 if kind.pixels_per_cm is None else 3),
            (339, _SHORT, kind.samples, struct.pack("<H", sample_format) * kind.samples),
        ]
        if kind.predictor != 1:
            entries.append(_number(317, _SHORT, kind.predictor))
        if kind.is_reduced:
            entries.append(_number(NEW_SUBFILE_TYPE, _LONG, 1))
        if sub_pages:
            entries.append((SUB_PAGES, _LONG8 if self.big else _LONG, sub_pages, b"\0"))
        if described:
            entries.append((IMAGE_DESCRIPTION, _ASCII, 1, b"\0"))
        row = np.zeros(1, self.row(len(entries)))
        row["count"] = len(entries)
        constants = b""
        for number, (code, type_, count, value) in enumerate(sorted(entries)):
            if len(value) > self.offset.itemsize:
                number_ = constants_at + len(constants)
                constants += value + b"\0" * (-len(value) % 8)
            else:
                number_ = int.from_bytes(value, "little")
            row["tags"][0, number] = (code, type_, count, number_)
        return row, constants


def tag_number(row: NDArray[Any], code: int) -> int:
    """Return at which place among a page's tags a tag stands."""
    return int(np.flatnonzero(row["tags"][0]["code"] == code)[0])


def _number(code: int, type_: int, value: int) -> tuple[int, int, int, bytes]:
    return code, type_, 1, struct.pack("<Q", value)[: {_SHORT: 2, _LONG: 4, _LONG8: 8}[type_]]


def _rational(value: float) -> bytes:
    limit = 2**32 - 1
    denominator = max(1, min(10**6, int(limit / max(value, 1.0))))
    fraction = Fraction(min(value, float(limit))).limit_denominator(denominator)
    return struct.pack("<II", fraction.numerator, fraction.denominator)


NONE: Final = 1
_IDS: Final = {"lzw": 5, "deflate": 8, "zstd": 50000}
_NAMES: Final = {NONE: None, 32946: "deflate", **{number: name for name, number in _IDS.items()}}


class TiffCodec:
    """One compression, with its level.

    Attributes
    ----------
    number : int
        The value of the Compression tag.
    predictor : int
        The value of the Predictor tag: 1 none, 2 horizontal differences.
    """

    def __init__(
        self, name: str | None, level: int, dtype: np.dtype[Any], predictor: int | None = None
    ) -> None:
        self.number = NONE if name is None else _IDS[name]
        can_differ = name in ("lzw", "deflate") and dtype.kind in "ui"
        self.predictor = (2 if can_differ else 1) if predictor is None else predictor
        self._name, self._level, self._dtype = name, level, dtype

    @classmethod
    def of_tags(cls, compression: int, predictor: int, dtype: np.dtype[Any]) -> TiffCodec:
        """Return the codec of a page.

        Raises
        ------
        ValueError
            When the page was not written by this package.
        """
        if compression not in _NAMES or predictor not in (1, 2):
            raise ValueError(f"TIFF compression {compression}, predictor {predictor}")
        return cls(_NAMES[compression], 0, dtype, predictor)

    def encode(self, frame: NDArray[Any]) -> Any:
        """Return the bytes of a strip: a C-contiguous frame, (height, width[, samples])."""
        if self._name is None:
            return memoryview(frame).cast("B")  # type: ignore[arg-type]  # it has the buffer protocol
        import imagecodecs  # here, because looking at a store, or at plain strips, needs none

        data: Any = frame
        if self.predictor == 2:
            data = imagecodecs.delta_encode(frame, axis=1)
        match self._name:
            case "zstd":
                return imagecodecs.zstd_encode(data, level=self._level)
            case "deflate":
                return imagecodecs.zlib_encode(data, level=self._level)
            case _:
                return imagecodecs.lzw_encode(data)

    def decode(self, strip: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the frame of a strip.

        Raises
        ------
        ValueError
            When the bytes are not those of a frame of this shape.
        """
        if self._name is None and self.predictor == 1:
            return np.frombuffer(strip, self._dtype).reshape(shape)
        import imagecodecs

        size = int(np.prod(shape)) * self._dtype.itemsize
        data: Any
        try:
            match self._name:
                case None:
                    data = strip
                case "zstd":
                    data = imagecodecs.zstd_decode(strip, out=size)
                case "deflate":
                    data = imagecodecs.zlib_decode(strip, out=size)
                case _:
                    data = imagecodecs.lzw_decode(strip, out=size)
        except RuntimeError as error:
            raise ValueError(f"the strip cannot be decompressed: {error}") from error
        frame = np.frombuffer(data, self._dtype).reshape(shape)
        if self.predictor == 2:
            frame = imagecodecs.delta_decode(frame, axis=1)
        return frame
