"""`Store`: the files of one store while it is written: arrays, documents, frame table."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pymmcore_ome.backends import ArrayBackend
from pymmcore_ome.disk import fresh_folder, write_whole
from pymmcore_ome.errors import StoreExistsError
from pymmcore_ome.frames import TABLE_NAME, Journal
from pymmcore_ome.layout import GrowingRouter, ImageLayout, Layout, layout_of
from pymmcore_ome.metadata import (
    StoreRecord,
    closing_documents,
    image_documents,
    series_documents,
    store_documents,
)
from pymmcore_ome.schema import StorageSchema

from .progress import Summary

_being_written: set[Path] = set()
_claiming = threading.Lock()


@contextmanager
def _claimed(path: Path) -> Iterator[None]:
    """Let no other stream of this process write to the path, until the store is finished."""
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
    """One OME-Zarr store that is being written. Made whole by `create`, ended by `finish`."""

    path: Path
    layout: Layout
    backend: ArrayBackend
    journal: Journal
    record: StoreRecord

    @classmethod
    def create(
        cls,
        path: Path,
        layout: Layout,
        backend: ArrayBackend,
        *,
        overwrite: bool,
        acquisition: Mapping[str, Any],
    ) -> Store:
        """Make the store with all its arrays and documents, without pixels.

        Raises
        ------
        StorePathError
            When it cannot be made. Nothing is left behind, and what was there before is
            there again.
        """
        record = StoreRecord(
            version=version("pymmcore-ome"),
            schema=_plain(layout.schema),
            backend=backend.name,
            started=_now(),
            frames={"planned": layout.frame_count, "written": None, "skipped": None},
            acquisition=acquisition,
        )
        with _claimed(path), fresh_folder(path, overwrite):
            backend.create(path, layout, layout.schema.compression)
            shapes = [image.shape for image in layout.images]
            for key, content in store_documents(layout, record, shapes):
                target = path / key
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            journal = Journal(path / TABLE_NAME)
        return cls(path, layout, backend, journal, record)

    def add(self, image: ImageLayout) -> None:
        """Make one more image, in a store that grows.

        Raises
        ------
        OSError
        """
        self.backend.add(image)
        self._write(image_documents(self.layout, [image]))
        self._write(series_documents(self.layout))

    def finish(
        self,
        summary: Summary,
        shapes: Sequence[tuple[int, ...]],
        growing: GrowingRouter | None,
    ) -> None:
        """Close the arrays and the frame table, and write how it ended.

        Raises
        ------
        OSError
            When a file could not be written; the others are still closed.
        """
        try:
            self._check_in_place(self.layout.images[: len(shapes)])
            self.backend.close()
        finally:
            self.journal.close()
            _being_written.discard(self.path.resolve())
        if growing is not None:
            final_schema = growing.final_schema(list(shapes))
            self.layout = layout_of(final_schema)
            self._write(image_documents(self.layout, self.layout.images))
            self.record = replace(self.record, schema=_plain(final_schema))
        ended = replace(
            self.record,
            status=summary.status,
            reason=summary.reason,
            ended=_now(),
            frames={
                "planned": summary.frames_planned,
                "written": summary.frames_written,
                "skipped": summary.frames_skipped,
            },
        )
        self._write(closing_documents(self.layout, ended, shapes))

    def _check_in_place(self, images: Iterable[ImageLayout]) -> None:
        """Raise when the store was deleted or replaced while it was written."""
        gone = [
            image.path
            for image in images
            if not (self.path / image.path / "0" / "zarr.json").is_file()
        ]
        if gone or not self.journal.is_in_place:
            raise FileNotFoundError(
                "it was deleted, moved or replaced while it was written, and frames are lost"
            )

    def _write(self, documents: Iterable[tuple[str, bytes]]) -> None:
        for key, content in documents:
            target = self.path / key
            if self.path.exists():  # a store that was deleted is not made anew
                target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, content)


def _plain(schema: StorageSchema) -> dict[str, Any]:
    return schema.model_dump(mode="json", exclude_defaults=True)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
