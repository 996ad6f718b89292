"""`Store`: the files of one store while it is written: arrays, documents, frame table."""

from __future__ import annotations

import logging
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pymmcore_ome.backends import (
    ArrayBackend,
    BackendOptions,
    LevelWriter,
    PlaneReader,
    level_writer,
)
from pymmcore_ome.dataset import confirm_proven, finish_levels, open_dataset, stored_contrast
from pymmcore_ome.disk import StoreLocation, StoreLock, sync_folder
from pymmcore_ome.errors import NotAStoreError, StoreExistsError
from pymmcore_ome.frames import FrameTableWriter, read_table
from pymmcore_ome.layout import GrowingRouter, ImageLayout, Layout, PageTable, layout_of
from pymmcore_ome.metadata import (
    ContrastSampler,
    Document,
    Documents,
    StoreRecord,
    StoreState,
    documents_of,
)
from pymmcore_ome.schema import StorageSchema

from .level_maker import LevelMaker
from .progress import Summary

logger = logging.getLogger("pymmcore-ome")

_being_written: set[Path] = set()
_claiming = threading.Lock()


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Claim a path for one stream of this process, until the store is finished."""
    key = path.resolve()
    with _claiming:
        if key in _being_written:
            raise StoreExistsError(
                f"{path} is being written by another stream of this program. Close that one "
                "first, or choose another name."
            )
        _being_written.add(key)
    try:
        yield
    except BaseException:
        _being_written.discard(key)
        raise


@dataclass
class Store:
    """One store that is being written. Made whole by `made`, ended by `finish`."""

    place: StoreLocation
    layout: Layout
    backend: ArrayBackend
    table: FrameTableWriter
    record: StoreRecord
    documents: Documents
    lock: StoreLock
    #: The frames that are on disk, where the backend does not report it and not all are.
    proven: Container[tuple[int, tuple[int, ...]]] | None = None
    #: What writes the resolution levels, where there are any.
    levels: LevelWriter | None = None
    #: Of a store that is resumed: image number and index of the frames that it has already, …
    stored: Sequence[tuple[int, tuple[int, ...]]] = ()
    #: … the number of the next frame, in order of arrival, …
    next_number: int = 0
    #: … the seconds since its first run began, …
    resumed_after_s: float = 0.0
    is_resumed: bool = False
    #: … and its record, if it was complete.
    was_complete: StoreRecord | None = None
    _undocumented: list[ImageLayout] = field(default_factory=list)
    _has_new_schema: bool = False

    @classmethod
    @contextmanager
    def made(
        cls,
        place: StoreLocation,
        layout: Layout,
        backend: ArrayBackend,
        options: BackendOptions,
        *,
        overwrite: bool,
        acquisition: Mapping[str, Any] | None = None,
        record: StoreRecord | None = None,
    ) -> Iterator[Store]:
        """Make the store with all its arrays and documents, without pixels; keep it on success.

        When the block raises, nothing is left behind, and an earlier store is there again. With a
        `record`, of a store that is converted, that is the store's, and no levels are written.

        Raises
        ------
        StorePathError
            When it cannot be made. Nothing is left behind, and an earlier store is
            there again.
        """
        if record is None:
            started = now()
            record = StoreRecord(
                version=version("pymmcore-ome"),
                schema=plain_schema(layout.schema),
                backend=backend.name,
                started=started,
                frames={"planned": layout.frame_count, "written": None, "skipped": None},
                acquisition=acquisition or {},
            )
            record = record.begin_run(started).with_levels(options.levels, is_complete=False)
        documents, lock = documents_of(place), StoreLock(place)
        table: FrameTableWriter | None = None
        with claimed(place.path), lock.is_free(), place.made_free(overwrite):
            try:
                lock.acquire()
                backend.create(place, layout, options)
                levels = level_writer(backend, place, layout.images, options, layout.loops)
                state = StoreState(
                    layout, record, shapes_now(layout, backend.pages), pages=backend.pages
                )
                for key, content in documents.created(state):
                    backend.put(key, content)
                table = FrameTableWriter(
                    place.table,
                    is_provisional=backend.is_sequential,
                    sync_pixels=backend.sync if options.outlasts_power else None,
                )
                if options.outlasts_power:
                    sync_folder(str(place.table.parent))
                    sync_folder(str(place.path.parent))
                yield cls(place, layout, backend, table, record, documents, lock, levels=levels)
            except BaseException:
                backend.close()  # an open file cannot be removed everywhere
                if table is not None:
                    table.close()
                lock.release()
                raise

    @property
    def path(self) -> Path:
        """Where the store is."""
        return self.place.path

    @property
    def left_behind(self) -> str:
        """What is on disk when writing fails, in words."""
        if self.backend.is_sequential:  # it may hold frames back, and reports none
            return (
                f"It is unknown which frames {self.backend.name} wrote. Run `pymmcore-ome recover` "
                "to list the frames whose checksums match"
            )
        return "Frames in its frame table are on disk, if it still exists"

    def annotate(self, namespace: str, mapping: Mapping[str, Any]) -> None:
        """Keep an annotation for the closing documents.

        Raises
        ------
        OptionError
        """
        self.record = self.record.annotated(namespace, mapping)

    def describe(self, layout: Layout) -> None:
        """Keep a schema that lists more cameras; documents have it before their frames are listed.

        From any thread.
        """
        self.layout = layout
        self.record = replace(self.record, schema=plain_schema(layout.schema))
        self._has_new_schema = True

    def add(self, image: ImageLayout) -> None:
        """Make one more image, in a store that grows.

        Raises
        ------
        OSError
        """
        self.backend.add(image)
        self._undocumented.append(image)

    def grow(self, image: int, shape: tuple[int, ...]) -> None:
        """Make an image's array at least this large.

        Raises
        ------
        OSError
        """
        if self.backend.grow(image, shape):
            self._undocumented.append(self.layout.images[image])

    @property
    def has_pending_documents(self) -> bool:
        """Whether the documents do not yet describe everything that was added and grew."""
        return bool(self._undocumented)

    def write_documents(self, image_count: int) -> int:
        """Describe what was added and grew, so that the store can be read; return the bytes.

        Parameters
        ----------
        image_count : int
            The images that have an array; the layout may be ahead of them.

        Raises
        ------
        OSError
        """
        shapes = shapes_now(self.layout, self.backend.pages)[:image_count]
        images = list(dict.fromkeys(self._undocumented))
        state = self._state(shapes)
        written = 0
        if self._has_new_schema:
            self._has_new_schema = False
            written = self._put(self.documents.reopened(state))
        written += self._put(self.documents.grown(state, images))
        self._undocumented.clear()
        return written

    def finish(
        self,
        summary: Summary,
        shapes: Sequence[tuple[int, ...]],
        growing: GrowingRouter | None,
        levels: LevelMaker | None = None,
        contrast: ContrastSampler | None = None,
    ) -> None:
        """Finish pixels and frame table, and write the documents with the final status.

        Raises
        ------
        OSError
            When a file could not be written; the others are still closed.
        """
        with self._left():
            if self.backend.is_sequential:
                self.proven = frozenset()  # until all frames are known to be on disk
            self.check_written()  # finishing may write anew what was deleted
            self.backend.finish()
            self.check_written()
            self.backend.close()  # where a network disk reports what it could not write
            is_certain = not self.backend.is_sequential or summary.status != "failed"
            if is_certain:
                self.table.confirm()
                self.proven = None
            else:
                self.table.close()
            if growing is not None:
                final_schema = growing.final_schema(list(shapes))
                self.layout = layout_of(final_schema, self.layout.named)
                self.record = replace(self.record, schema=plain_schema(final_schema))
                self._put(self.documents.grown(self._state(shapes), self.layout.images))
            windows = {} if contrast is None else contrast.windows(self.layout.specs)
            if self.is_resumed:  # of the frames that were there before, too
                windows = stored_contrast(open_dataset(self.path), self.layout, shapes)
            self.record = replace(
                self.record,
                contrast={**self.record.contrast, **windows},
                status=summary.status,
                reason=summary.reason,
                ended=now(),
                frames={
                    "planned": summary.frames_planned,
                    "written": summary.frames_written,
                    "skipped": summary.frames_skipped,
                },
            )
            self.record = self.record.end_run(
                summary.status, self.record.ended, summary.frames_written
            )
            if self.was_complete is not None and not summary.frames_added:
                self.record = self.record.as_it_was(self.was_complete)
            if levels is not None and summary.status != "failed":
                self._finish_levels(levels, shapes)
            else:
                self._put_closing(shapes)
            if self.is_resumed and summary.status != "failed":
                self.backend.close()
                finish_levels(open_dataset(self.path), keeps=True)
            if not is_certain:
                self.backend.close()
                confirm_proven(open_dataset(self.path))
                self.table.settle()
                numbers = {image.path: image.number for image in self.layout.images}
                rows = read_table(self.place.table)
                self.proven = {(numbers[row["image"]], row["index"]) for row in rows}

    def _close_again(self) -> None:
        """Close what the closing documents opened again.

        All that they promise was closed before without an error. If they did not reach the disk,
        the store is incomplete, and `recover` finishes it.
        """
        try:
            self.backend.close()
        except OSError as error:
            logger.warning("The status of %s may not be on the disk: %s", self.path, error)
        if self.levels is not None:
            with suppress(OSError):  # levels that are listed were closed before
                self.levels.close()

    def finish_copy(self, record: StoreRecord, shapes: Sequence[tuple[int, ...]]) -> None:
        """Finish the files of a conversion whose frames are all listed, and write its documents.

        Raises
        ------
        OSError
            When something could not be written; the store stays incomplete.
        """
        with self._left():
            self.check_written()
            self.backend.finish()
            if self.levels is not None:
                self.levels.finish(shapes)
                self.levels.close()
            self.backend.close()
            self.table.confirm()
            self.record = record
            self._put_closing(shapes)

    @staticmethod
    def forget(path: Path) -> None:
        """Give back the claim on a path; see `claimed`."""
        _being_written.discard(path.resolve())

    def leave(self) -> None:
        """Let go of a store whose conversion was stopped; it stays incomplete."""
        with self._left():
            pass

    @contextmanager
    def _left(self) -> Iterator[None]:
        """Let go of the store at last, whatever is raised."""
        with ExitStack() as at_last:
            at_last.callback(_being_written.discard, self.path.resolve())
            at_last.callback(self.lock.release)
            at_last.callback(self._close_again)
            at_last.callback(self.table.close)
            yield

    def _finish_levels(self, levels: LevelMaker, shapes: Sequence[tuple[int, ...]]) -> None:
        """Finish the resolution levels; the store is whole without them.

        An error leaves them unlisted: they can be made again, of what is on disk.
        """
        was_put_off = bool(levels.put_off)
        if was_put_off:  # which may take long: should the process die, nothing else is missing
            self._put_closing(shapes)
        unlisted = self.record
        try:
            levels.finish(self.backend.reader, shapes)
            levels.levels.close()
            self.record = self.record.with_levels(levels.levels.plan, is_complete=True)
            self._put_closing(shapes)
        except Exception as error:
            logger.warning(
                "The resolution levels of %s are not complete: %s. Run `pymmcore-ome levels` to "
                "make them.",
                self.path,
                error,
            )
            self.record = unlisted
            if not was_put_off:
                self._put_closing(shapes)

    def _put_closing(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Write the closing documents."""
        state = replace(self._state(shapes), planes=self.table.planes())
        self._put(self.documents.closed(state))

    def stored_array(self, image: int) -> PlaneReader:
        """Return what reads an image of the finished store.

        Raises
        ------
        NotAStoreError
        """
        return open_dataset(self.path).images[image].array

    def check_in_place(self) -> None:
        """Raise when the store was deleted, moved or replaced; cheap.

        Raises
        ------
        NotAStoreError
        """
        if not self.table.is_in_place:
            raise NotAStoreError(
                f"{self.path} was deleted, moved or replaced, so this view can no longer be read. "
                "Open the store at its new path with open_dataset."
            )

    def check_written(self) -> None:
        """Raise when the store was deleted, moved or replaced while it was written; cheap enough.

        Raises
        ------
        FileNotFoundError
        """
        if not self.table.is_in_place or not self.backend.is_in_place():
            raise FileNotFoundError(
                "it was deleted, moved or replaced while it was written, and frames are lost"
            )

    def _state(self, shapes: Sequence[tuple[int, ...]]) -> StoreState:
        return StoreState(self.layout, self.record, shapes, pages=self.backend.pages)

    def _put(self, documents: Iterable[Document]) -> int:
        count = 0

        def counted(pieces: Iterable[bytes]) -> Iterator[bytes]:
            nonlocal count
            for piece in pieces:
                count += len(piece)
                yield piece

        for key, content in documents:
            self.backend.put(key, counted(content))
        return count


def shapes_now(layout: Layout, pages: PageTable | None) -> list[tuple[int, ...]]:
    """Return the shapes that the documents have while a store is written.

    The planned ones; with a page a plane, an image that grows has as many as it has pages.
    """
    if pages is None:
        return [image.shape for image in layout.images]
    return [
        image.spec.array_shape(pages.shape(image.number))
        for image in layout.images[: pages.image_count]
    ]


def plain_schema(schema: StorageSchema) -> dict[str, Any]:
    return schema.model_dump(mode="json", exclude_defaults=True)


def now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
