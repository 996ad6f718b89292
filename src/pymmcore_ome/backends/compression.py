"""Compression by name and level: what each format supports, and Zarr version 3 codecs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: name -> (lowest level, highest level, default level); LZW has none.
Levels = Mapping[str, tuple[int, int, int]]
ZARR_LEVELS: Final[Levels] = {"zstd": (-7, 22, 1), "gzip": (0, 9, 5), "blosc": (0, 9, 5)}
TIFF_LEVELS: Final[Levels] = {"zstd": (-7, 22, 1), "deflate": (0, 9, 6), "lzw": (0, 0, 0)}


def parse(compression: str | None, levels: Levels) -> tuple[str, int] | None:
    """Split ``"name"`` or ``"name:level"``.

    Raises
    ------
    ValueError
        With the list of what is supported.
    """
    if compression is None or compression == "none":
        return None
    name, colon, level_text = compression.partition(":")
    supported = ", ".join(
        f"{known}:{low}..{high}" if low < high else known
        for known, (low, high, _) in levels.items()
    )
    if name not in levels:
        raise ValueError(f"compression {compression!r} is not supported here: use {supported}")
    low, high, default = levels[name]
    try:
        level = int(level_text) if colon else default
    except ValueError:
        level = high + 1
    if not low <= level <= high:
        raise ValueError(
            f"compression level in {compression!r} is not supported here: use {supported}"
        )
    return name, level


def zarr_codecs(compression: str | None, dtype: str) -> list[dict[str, Any]]:
    """Return the codecs of a chunk: bytes, then the compressor where one is asked for."""
    itemsize = np.dtype(dtype).itemsize
    codecs: list[dict[str, Any]] = [
        {"name": "bytes", "configuration": {"endian": "little"}}
        if itemsize > 1
        else {"name": "bytes"}
    ]
    match parse(compression, ZARR_LEVELS):
        case ("zstd", level):
            codecs.append({"name": "zstd", "configuration": {"level": level, "checksum": False}})
        case ("gzip", level):
            codecs.append({"name": "gzip", "configuration": {"level": level}})
        case ("blosc", level):
            configuration = {
                "cname": "zstd", "clevel": level, "shuffle": "shuffle",
                "typesize": itemsize, "blocksize": 0,
            }  # fmt: skip
            codecs.append({"name": "blosc", "configuration": configuration})
    return codecs


class ChunkCodec:
    """Turns the pixels of a chunk into its bytes, as `zarr_codecs` describe them, and back.

    Parameters
    ----------
    compression : str or None
        Name, or ``"name:level"``.
    dtype : str
    """

    def __init__(self, compression: str | None, dtype: str) -> None:
        chosen = parse(compression, ZARR_LEVELS)
        self._name = None if chosen is None else chosen[0]
        self._level = 0 if chosen is None else chosen[1]
        self._stored = np.dtype(dtype).newbyteorder("<")
        self.is_plain = self._name is None

    def encode(self, chunk: NDArray[Any]) -> Any:
        """Return the bytes of a chunk, a C-contiguous array; those of the array itself if plain."""
        data: Any = chunk
        if chunk.dtype != self._stored or not chunk.flags.c_contiguous:
            data = np.ascontiguousarray(chunk, self._stored)  # a big-endian machine's is another
        if self._name is None:
            return data
        import imagecodecs  # what writes no compressed chunk need not load it

        match self._name:
            case "zstd":
                return imagecodecs.zstd_encode(data, level=self._level)
            case "gzip":
                return imagecodecs.gzip_encode(data, level=self._level)
            case _:
                return imagecodecs.blosc_encode(
                    data, level=self._level, compressor="zstd", shuffle=1,
                    typesize=data.itemsize, blocksize=0, numthreads=1,
                )  # fmt: skip

    def decode(self, content: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the pixels of a chunk.

        Raises
        ------
        ValueError
            When the bytes are not those of a chunk of this shape.
        """
        data: Any = content
        if self._name is not None:
            import imagecodecs

            decode = getattr(imagecodecs, f"{self._name}_decode")
            try:
                data = decode(content)
            except RuntimeError as error:
                raise ValueError(f"the chunk cannot be decompressed: {error}") from error
        return np.frombuffer(data, self._stored).reshape(shape)
