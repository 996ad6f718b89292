"""The native backend: OME-Zarr at the speed of the disk, in any order of arrival (the default).

Whole frames, or tiles of a frame, are the chunks of shards that it writes itself (`Shard`): a
frame goes to the end of its shard's file, and the index at the start is then pointed at it. So
nothing is gathered in memory, nothing is written twice, and what was written can be read at once.
Chunks of several frames are not for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from io import FileIO
from itertools import product
from math import ceil, prod
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.compression import ChunkCodec, parse
from pymmcore_ome.backends.frame_encoder import COMPRESSED_BATCH_BYTES, FrameEncoder
from pymmcore_ome.backends.pixel_file import OpenFiles, create_file
from pymmcore_ome.backends.port import (
    BackendOptions,
    FrameWrite,
    PartialWriteError,
    PlaneReader,
)
from pymmcore_ome.backends.selection import Picks, selected_shape
from pymmcore_ome.disk import StoreLocation, make_folder, sync_folder, write_whole
from pymmcore_ome.layout import ArraySpec, ImageLayout, Layout, PageTable, all_specs

from .documents import array_content, array_key
from .folder import ZarrFolder, grown
from .shard import ENTRY_BYTES, Shard

_MOST_FOLDERS: Final = 4096

Piece = tuple[int, tuple[int, ...], int, Any, int]  # image, file, chunk in it, bytes, their number
FileKey = tuple[int, tuple[int, ...]]  # image, and which of its files


class NativeBackend(ZarrFolder):
    """Writes Zarr version 3 shards, or files of one chunk, without a Zarr library."""

    name: ClassVar[str] = "native"
    reads_at_once: ClassVar[bool] = True
    takes_frames: ClassVar[bool] = True
    shards_by_default: ClassVar[bool] = True
    outlasts_power: ClassVar[bool] = True
    makes_levels: ClassVar[bool] = True
    can_resume: ClassVar[bool] = True
    index_at_end: ClassVar[bool] = False  # until the store is closed

    def __init__(self) -> None:
        super().__init__()
        self._cuts: list[FrameCuts] = []
        self._folders: list[str] = []
        self._by_spec: dict[ArraySpec, FrameCuts] = {}
        self._files = OpenFiles()
        self._shards: dict[FileKey, Shard] = {}
        self._ended: set[FileKey] = set()
        self._made: set[str] = set()
        self._shapes: dict[int, tuple[int, ...]] = {}  # of images that grow
        self._grown: set[int] = set()  # whose documents do not say so yet
        self._closed: set[int] = set()  # whose documents name the index at the end
        self._reopened: frozenset[int] = frozenset()  # whose shards may be there already
        self._encoder = FrameEncoder(self._cut, compresses=False)

    @classmethod
    def refusals(cls, layout: Layout, options: BackendOptions) -> list[str]:
        reasons = super().refusals(layout, options)
        for spec in all_specs(layout):
            if gathered := spec.gathered_axes:
                reasons.append(
                    f"{cls.name} writes each frame at once, and chunks of several frames along "
                    f"{', '.join(gathered)} have to be gathered first: use the backend tensorstore"
                )
                break
        return reasons

    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        super().create(place, layout, options)
        self._begin(options)

    def reopen(
        self,
        place: StoreLocation,
        layout: Layout,
        options: BackendOptions,
        pages: PageTable | None = None,
    ) -> None:
        super().reopen(place, layout, options)
        self._begin(options)
        self._closed = {n for n, cuts in enumerate(self._cuts) if cuts.is_sharded}
        self._reopened = frozenset(self._closed)

    def _begin(self, options: BackendOptions) -> None:
        if parse(options.compression, self.compressions) is not None:
            self._encoder = FrameEncoder(self._cut, compresses=True)
            self.batch_bytes = COMPRESSED_BATCH_BYTES
        self._know(self._images)

    def add(self, image: ImageLayout) -> None:
        super().add(image)
        self._know([image])

    def write_frames(self, frames: Sequence[FrameWrite]) -> None:
        first, missing, cause = 0, set(range(len(frames))), None
        try:
            for pieces in self._encoder.batches(frames):
                failed, cause = self._store(pieces)
                missing.difference_update(
                    number
                    for number in range(first, first + len(pieces))
                    if number - first not in failed
                )
                first += len(pieces)
                if cause is not None:
                    break
        except Exception as error:  # a codec's
            cause = error
        if len(missing) < len(frames):
            try:
                self._write_shapes()
            except OSError as error:  # no reader can see the frames of the batch
                raise PartialWriteError(range(len(frames))) from cause or error
        if missing:
            raise PartialWriteError(missing) from cause

    def reader(self, image: int) -> PlaneReader:
        return NativeReader(self._folders[image], self._cuts[image])

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        have = self._shapes.get(image, self._images[image].shape)
        larger = grown(have, shape)
        if larger != have:
            self._shapes[image] = larger
            self._grown.add(image)  # its document says so when the frames are there
        return False

    def sync(self) -> None:
        for shard in self._shards.values():
            shard.sync()

    def finish(self) -> None:
        """End every shard, and let the arrays' documents name the index at the end."""
        failed: dict[int, OSError] = {}
        for (image, file), shard in list(self._shards.items()):
            try:
                self._end((image, file), shard)
            except OSError as error:
                failed.setdefault(image, error)
        contents: dict[tuple[ArraySpec, tuple[int, ...]], bytes] = {}
        for number, layout in enumerate(self._images):
            if number in failed or not (self._cuts[number].is_sharded or number in self._grown):
                continue
            if number in self._closed:  # no frame came for it since the store was reopened
                continue
            shape = self._shapes.get(number, layout.shape)
            key = layout.spec, shape
            if key not in contents:
                contents[key] = array_content(layout, self._compression, shape)
            try:
                self._replace_document(number, contents[key])
            except OSError as error:
                failed.setdefault(number, error)
        self._grown.clear()
        for problem in failed.values():
            # what was deleted or moved as a whole is for `is_in_place` to say
            if not isinstance(problem, FileNotFoundError) or self.is_in_place():
                raise problem

    def close(self) -> None:
        self._encoder.close()
        self._files.close()

    # -- frames to pieces

    def _know(self, images: Sequence[ImageLayout]) -> None:
        for image in images:
            if image.spec not in self._by_spec:
                self._by_spec[image.spec] = FrameCuts(image.spec, self._compression)
            self._cuts.append(self._by_spec[image.spec])
            self._folders.append(f"{self._root}/{array_key(image, self.level)}")

    def _cut(self, frames: Sequence[FrameWrite]) -> list[list[Piece]]:
        return [self._cuts[frame.image].pieces(frame) for frame in frames]

    # -- pieces to files

    def _store(self, pieces: Sequence[Sequence[Piece]]) -> tuple[set[int], Exception | None]:
        """Write the pieces of frames, those of a file together.

        Returns
        -------
        set of int
            The numbers of the frames that could not be written.
        Exception or None
            Why.
        """
        files: dict[FileKey, tuple[list[int], list[Any], list[int], list[int]]] = {}
        for number, parts in enumerate(pieces):
            for image, file, chunk, data, nbytes in parts:
                key = image, file
                columns = files.get(key)
                if columns is None:
                    columns = files[key] = ([], [], [], [])
                columns[0].append(chunk)
                columns[1].append(data)
                columns[2].append(nbytes)
                columns[3].append(number)
        left = [len(parts) for parts in pieces]
        for key, (chunks, datas, sizes, owners) in files.items():
            try:
                self._write_file(key, chunks, datas, sizes)
            except Exception:
                continue  # each frame by itself, then: some may still find room
            for number in owners:
                left[number] -= 1
        missing: set[int] = set()
        cause: Exception | None = None
        for number, parts in enumerate(pieces):
            try:
                for image, file, chunk, data, nbytes in parts if left[number] else ():
                    self._write_file((image, file), [chunk], [data], [nbytes])
            except Exception as error:
                cause = cause or error
                missing.add(number)
        return missing, cause

    def _write_file(
        self, key: FileKey, chunks: Sequence[int], datas: Sequence[Any], sizes: Sequence[int]
    ) -> None:
        image, file = key
        cuts = self._cuts[image]
        shard = self._shards.get(key)
        if shard is None:
            path = self._path(image, file)
            if not cuts.is_sharded:
                handle = create_file(path, datas[-1:], sync=self._outlasts_power)
                if handle is not None:
                    handle.close()
                return
            is_existing = key in self._ended
            if image in self._reopened:
                is_existing = is_existing or os.path.exists(path)  # noqa: PTH110
                self._open_closed(image)
            if is_existing:
                shard = Shard.existing(path, cuts.count, self._files, self._outlasts_power)
            else:
                shard = Shard(
                    path, cuts.count, cuts.chunks_within(file), self._files, self._outlasts_power
                )
            self._shards[key] = shard
        shard.store(chunks, datas, sizes)
        if shard.is_full:
            try:
                self._end(key, shard)
            except OSError:
                return  # its frames are on disk; `finish` tries again, and reports it

    def _open_closed(self, image: int) -> None:
        """Let the document of an array name the index at the start again, before it is written to.

        The index at the start of a shard is always true, so both documents can be read.
        """
        if image not in self._closed:
            return
        content = array_content(self._images[image], self._compression, at_end=False)
        self._replace_document(image, content)
        self._closed.discard(image)

    def _end(self, key: FileKey, shard: Shard) -> None:
        shard.end()
        self._ended.add(key)
        del self._shards[key]

    def _path(self, image: int, file: tuple[int, ...]) -> str:
        """Return the path of one of an image's files; make the folders on the way to it."""
        keys = [*map(str, file)]
        folder = f"{self._folders[image]}/c/{'/'.join(keys[:-1])}"
        if folder not in self._made:
            if len(self._made) > _MOST_FOLDERS:
                self._made.clear()
            # from the array down, which is not made again when somebody deleted it
            above = self._folders[image]
            for key in ("c", *keys[:-1]):
                below = f"{above}/{key}"
                if below not in self._made:
                    make_folder(below)
                    if self._outlasts_power:
                        sync_folder(above)
                    self._made.add(below)
                above = below
        return f"{folder}/{keys[-1]}"

    # -- documents

    def _write_shapes(self) -> None:
        """Write the documents of images that have grown.

        Raises
        ------
        OSError
        """
        for number in sorted(self._grown):
            content = array_content(
                self._images[number], self._compression, self._shapes[number], at_end=False
            )
            self._replace_document(number, content)
            self._grown.discard(number)

    def _replace_document(self, image: int, content: bytes) -> None:
        write_whole(f"{self._folders[image]}/zarr.json", content, sync=self._outlasts_power)


class _Tile(NamedTuple):
    """A part of a frame that is a chunk by itself: which one, and the pixels it has."""

    chunk: tuple[int, ...]  # along each axis, from the first chunk of the frame
    samples: slice
    rows: slice
    columns: slice


class FrameCuts:
    """How the frames of images that are alike are cut into chunks, and in which files these are.

    Attributes
    ----------
    spec : ArraySpec
    codec : ChunkCodec
    is_sharded : bool
        A file is a shard; else it is a chunk.
    count : int
        Chunks that a file has a place for.
    chunks_per_file : tuple of int
        The same along each axis.
    """

    def __init__(self, spec: ArraySpec, compression: str | None) -> None:
        self.spec = spec
        self.codec = ChunkCodec(compression, spec.dtype)
        self.is_sharded = spec.shard_shape is not None
        self.chunks_per_file = tuple(
            size // chunk for size, chunk in zip(spec.write_shape, spec.chunk_shape, strict=True)
        )
        self.count = prod(self.chunks_per_file)
        self._is_one_chunk = spec.samples == 1 and spec.chunk_shape[-2:] == spec.shape[-2:]
        self._leading = tuple(
            (per_file, chunk)
            for per_file, chunk in zip(
                self.chunks_per_file[:-2], spec.chunk_shape[:-2], strict=True
            )
        )
        self._frame_chunks = prod(self.chunks_per_file[-2:])

    def pieces(self, frame: FrameWrite) -> list[Piece]:
        """Return the chunks of a frame: where each goes, and its bytes."""
        image, index, pixels = frame
        if self._is_one_chunk:
            file, number = [], 0
            for n, (per_file, _) in zip(index, self._leading, strict=True):
                place, offset = divmod(n, per_file)
                file.append(place)
                number = number * per_file + offset
            data = self.codec.encode(pixels)
            nbytes = pixels.nbytes if data is pixels else memoryview(data).nbytes
            return [(image, (*file, 0, 0), number * self._frame_chunks, data, nbytes)]
        found = []
        block = pixels if self.spec.samples > 1 else pixels[..., np.newaxis]
        first = [n // chunk for n, (_, chunk) in zip(index, self._leading, strict=True)]
        for tile in self._tiles:
            part = block[tile.rows, tile.columns, tile.samples]
            chunk = np.zeros(self._tile_shape, self.spec.frame_dtype)
            chunk[: part.shape[2], : part.shape[0], : part.shape[1]] = np.moveaxis(part, -1, 0)
            lead = [a + b for a, b in zip(first, tile.chunk, strict=False)]
            file_key, number = self.locate((*lead, *tile.chunk[-2:]))
            data = self.codec.encode(chunk)
            found.append((image, file_key, number, data, memoryview(data).nbytes))
        return found

    def locate(self, chunk: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """Return the file of a chunk, and its number in the file."""
        file, number = [], 0
        for n, per_file in zip(chunk, self.chunks_per_file, strict=True):
            place, offset = divmod(n, per_file)
            file.append(place)
            number = number * per_file + offset
        return tuple(file), number

    def chunks_within(self, file: Sequence[int]) -> int:
        """Return how many chunks of a file are within the array; along an axis that grows, all."""
        return prod(
            per_file
            if axis.size is None
            else min(per_file, ceil(axis.size / chunk) - place * per_file)
            for place, per_file, chunk, axis in zip(
                file, self.chunks_per_file, self.spec.chunk_shape, self.spec.axes, strict=True
            )
        )

    @cached_property
    def _tile_shape(self) -> tuple[int, int, int]:
        """Samples, rows and columns of a chunk."""
        axis = self.spec.channel_axis
        samples = 1 if axis is None else self.spec.chunk_shape[axis]
        height, width = self.spec.chunk_shape[-2:]
        return samples, height, width

    @cached_property
    def _tiles(self) -> list[_Tile]:
        samples, height, width = self._tile_shape
        rows, columns = self.spec.shape[-2:]
        axis = self.spec.channel_axis
        tiles = []
        for c, y, x in product(
            range(self.spec.samples // samples), range(ceil(rows / height)),
            range(ceil(columns / width)),
        ):  # fmt: skip
            lead = [c if n == axis else 0 for n in range(len(self.spec.axes) - 2)]
            tiles.append(
                _Tile(
                    (*lead, y, x),
                    slice(c * samples, (c + 1) * samples),
                    slice(y * height, (y + 1) * height),
                    slice(x * width, (x + 1) * width),
                )
            )
        return tiles


class NativeReader:
    """Reads the frames of one image that are on disk, by the index at the start of its shards.

    From any thread, during the writing and after it. It keeps nothing open.

    Parameters
    ----------
    folder : str
        Of the array.
    cuts : FrameCuts
    """

    def __init__(self, folder: str, cuts: FrameCuts) -> None:
        self._folder = folder
        self._cuts = cuts

    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a block; see `PlaneReader`."""
        spec = self._cuts.spec
        block = np.zeros(selected_shape(picks, rows, columns), spec.dtype)
        if not block.size:
            return block
        wanted = [
            *(pick.tolist() for pick in picks),
            range(rows.start, rows.stop, rows.step or 1),
            range(columns.start, columns.stop, columns.step or 1),
        ]
        touched = [
            list(_touched(elements, chunk))
            for elements, chunk in zip(wanted, spec.chunk_shape, strict=True)
        ]
        with _ChunkFiles(self._folder, self._cuts) as files:
            for parts in product(*touched):
                content = files.read([part.chunk for part in parts])
                if content is None:
                    continue
                chunk = self._cuts.codec.decode(content, spec.chunk_shape)
                block[tuple([part.block for part in parts])] = chunk[
                    tuple([part.inside for part in parts])
                ]
        return block


class _Part(NamedTuple):
    """What is wanted of one chunk along one axis: where it goes, and where it is."""

    chunk: int
    block: slice
    inside: slice


def _touched(elements: Sequence[int], size: int) -> Iterator[_Part]:
    """Yield the chunks along an axis that hold elements, which rise evenly within each."""
    first = 0
    while first < len(elements):
        chunk = elements[first] // size
        end = first + 1
        while end < len(elements) and elements[end] // size == chunk:
            end += 1
        start, stop = elements[first] - chunk * size, elements[end - 1] - chunk * size + 1
        step = elements[first + 1] - elements[first] if end - first > 1 else 1
        yield _Part(chunk, slice(first, end), slice(start, stop, step))
        first = end


class _ChunkFiles:
    """Finds the bytes of chunks; the file that was read last stays open."""

    def __init__(self, folder: str, cuts: FrameCuts) -> None:
        self._folder, self._cuts = folder, cuts
        self._key: tuple[int, ...] | None = None
        self._file: FileIO | None = None

    def __enter__(self) -> _ChunkFiles:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, chunk: Sequence[int]) -> bytes | None:
        """Return the bytes of a chunk; None where there is none."""
        key, number = self._cuts.locate(chunk)
        if key != self._key:
            self._open(key)
        file = self._file
        if file is None:
            return None
        if not self._cuts.is_sharded:
            file.seek(0)
            return file.readall()
        file.seek(number * ENTRY_BYTES)
        at, nbytes = np.frombuffer(file.read(ENTRY_BYTES), "<u8").tolist()
        if at == nbytes == 2**64 - 1:
            return None
        file.seek(at)
        content = file.read(nbytes)
        while len(content) < nbytes and (more := file.read(nbytes - len(content))):
            content += more  # systems give 2 GiB at once, at most
        return content

    def _open(self, key: tuple[int, ...]) -> None:
        if self._file is not None:
            self._file.close()
        self._key, self._file = key, None
        try:
            self._file = FileIO(f"{self._folder}/c/{'/'.join(map(str, key))}")
        except FileNotFoundError:
            return
