"""`TiffCodec`: from a frame to the bytes of a TIFF strip, and back, through imagecodecs.

One strip is one frame. LZW and deflate take the horizontal differences of integers first
(TIFF 6.0, section 14): every reader knows that, and it halves the size of camera frames.
"""

from __future__ import annotations

from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

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
        data: Any = frame
        if self.predictor == 2:
            data = imagecodecs.delta_encode(frame, axis=1)
        match self._name:
            case None:
                return memoryview(data).cast("B")
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
        if self._name is None:
            data: Any = strip
        else:
            size = int(np.prod(shape)) * self._dtype.itemsize
            try:
                match self._name:
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
