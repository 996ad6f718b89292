"""A power cut with ``durability="power"``: what was not flushed to the disk is lost, in any order.

The system's calls are recorded while a stream is written. A state after a power cut is replayed
from them: a write is there for certain if its file was flushed after it, a new name if its folder
was; all others are there or not, at random. In each state the store opens, every listed frame is
right, and every frame that the table promised is listed.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import pymmcore_ome as po
from helpers import wait_until
from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.frames import FrameTableWriter, read_table

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="names of open files are read from /proc; run it on Linux"
)
TIMES, PLACES, SHAPE = 12, 3, (32, 48)
WAYS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "native": ("a.ome.zarr", {"shards": {"t": 4}}, False),
    "native-zstd": ("a.ome.zarr", {"compression": "zstd:1", "shards": {"t": 4}}, False),
    "native-files": ("a.ome.zarr", {"shards": False}, False),
    "native-growing": ("a.ome.zarr", {"shards": {"t": 4}}, True),
    "tiff": ("a.ome.tiff", {}, False),
    "tiff-zstd": ("a.ome.tiff", {"compression": "zstd:1"}, False),
    "tiff-growing": ("a.ome.tiff", {}, True),
    "tiff-folder": ("a.ome.tiff", {"files": "per-position"}, False),
}


class Call(NamedTuple):
    """A call of the system: ``write`` into a file, ``sync`` of a file or folder, ``rename``."""

    kind: str
    file: int
    at: int = 0
    data: bytes = b""
    name: str = ""


class Recorder:
    """The calls that change the files below a folder, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[Call] = []
        self._files: dict[int, int] = {}  # inode, which the system uses again, to our number
        self._count = 0

    def number(self, inode: int) -> int:
        """Return the number of the file that has an inode now."""
        if inode not in self._files:
            self._count += 1
            self._files[inode] = self._count
        return self._files[inode]

    @contextmanager
    def recording(self) -> Iterator[None]:
        pwritev, fsync, replace = os.pwritev, os.fsync, os.replace
        write = FrameTableWriter.flush

        def noted_pwritev(fd: int, pieces: Any, at: int) -> int:
            done = pwritev(fd, pieces, at)
            data = b"".join(bytes(piece) for piece in pieces)[:done]
            self.calls.append(Call("write", self.number(os.fstat(fd).st_ino), at, data))
            return done

        def noted_fsync(fd: int) -> None:
            self._note_new_bytes(fd)
            fsync(fd)
            self.calls.append(Call("sync", self.number(os.fstat(fd).st_ino)))

        def noted_replace(source: Any, target: Any) -> None:
            fd = os.open(source, os.O_RDONLY)
            self._note_new_bytes(fd)
            os.close(fd)
            file = self.number(Path(source).stat().st_ino)
            if Path(target).exists():
                self._files.pop(Path(target).stat().st_ino, None)
            replace(source, target)
            name = os.path.relpath(target, self.folder)
            self.calls.append(Call("rename", file, name=name))

        def noted_flush(table: Any, *, is_last: bool = False) -> None:
            before = table._path.stat().st_size if table._path.exists() else 0
            sync_pixels, table._sync_pixels = table._sync_pixels, None
            if table._lines and sync_pixels is not None:
                sync_pixels()
            # without a sync of its own, so that the lines come before it
            write(table, is_last=is_last)
            table._sync_pixels = sync_pixels
            data = table._path.read_bytes()[before:]
            if data:
                file = self.number(os.fstat(table._file.fileno()).st_ino)
                self.calls.append(Call("write", file, before, data))
                os.fsync(table._file.fileno())

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "pwritev", noted_pwritev)
            patched.setattr(os, "fsync", noted_fsync)
            patched.setattr(os, "replace", noted_replace)
            patched.setattr(FrameTableWriter, "flush", noted_flush)
            yield

    def _note_new_bytes(self, fd: int) -> None:
        """Note the content of a small file that Python's buffers wrote."""
        path = Path(f"/proc/self/fd/{fd}").readlink()
        file = self.number(os.fstat(fd).st_ino)
        if path.suffix == ".part" and not any(call.file == file for call in self.calls):
            self.calls.append(Call("write", file, 0, path.read_bytes()))


class Recorded(NamedTuple):
    """A run: the files when it was opened, by name, and the calls from then on."""

    name: str
    names: dict[str, int]
    contents: dict[int, bytes]
    calls: list[Call]
    folders: dict[str, int]


def frame(number: int) -> Any:
    return (np.arange(32 * 48).reshape(SHAPE) * 7 + number * 131 + 1).astype(np.uint16)


def record(folder: Path, way: str) -> Recorded:
    name, options, grows = WAYS[way]
    schema = StorageSchema(
        dimensions=[
            Dimension(name="t", size=None if grows else TIMES),
            Dimension(name="p", coords=["a", "b", "c"]),
            Dimension(name="y", size=SHAPE[0]), Dimension(name="x", size=SHAPE[1]),
        ],
        dtype="uint16",
    )  # fmt: skip
    recorder = Recorder(folder)
    with recorder.recording():
        stream = po.open_stream(
            folder / name, schema, durability="power", checkpoint_s=0.05, **options
        )
        synced = {call.file for call in recorder.calls if call.kind == "sync"}
        files = [file for file in folder.rglob("*") if file.is_file()]
        files = [file for file in files if file.suffix not in (".lock", ".reserve")]
        for file in files:  # a store that was opened is on the disk
            is_synced = recorder.number(file.stat().st_ino) in synced
            assert is_synced or not file.stat().st_size, file
        names = {
            str(file.relative_to(folder)): recorder.number(file.stat().st_ino) for file in files
        }
        contents = {recorder.number(file.stat().st_ino): file.read_bytes() for file in files}
        first = len(recorder.calls)
        for number in range(TIMES * PLACES):
            t, p = divmod(number, PLACES)
            stream.append(frame(number), at={"t": t, "p": p})
            if number % 5 == 4:
                _checkpoint(stream)
        stream.close()
    folders = [folder, *(f for f in folder.rglob("*") if f.is_dir())]
    numbers = {str(f.relative_to(folder)): recorder.number(f.stat().st_ino) for f in folders}
    return Recorded(name, names, contents, recorder.calls[first:], numbers)


def _checkpoint(stream: Any) -> None:
    """Wait until what was appended is listed."""
    table, rows = stream._store.place.table, stream.progress.frames_appended
    wait_until(lambda: table.read_bytes().count(b"\n") >= rows)


def replay(run: Recorded, cut: int, is_lost: Callable[[int], bool], target: Path) -> int:
    """Make the files as a power cut after so many calls may leave them; return the rows synced."""
    done = run.calls[:cut]
    last_sync = {call.file: n for n, call in enumerate(done) if call.kind == "sync"}
    contents = {file: bytearray(data) for file, data in run.contents.items()}
    names = dict(run.names)
    promised = 0
    for number, call in enumerate(done):
        if call.kind == "write":
            if number > last_sync.get(call.file, -1) and is_lost(number):
                continue
            data = contents.setdefault(call.file, bytearray())
            data.extend(bytes(max(0, call.at + len(call.data) - len(data))))
            data[call.at : call.at + len(call.data)] = call.data
        elif call.kind == "rename":
            parent = run.folders.get(str(Path(call.name).parent), -1)
            if number > last_sync.get(parent, -1) and is_lost(number):
                continue
            names[call.name] = call.file
    for name, number in names.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(contents.get(number, b""))
        if name.endswith("frames.jsonl"):
            synced = last_sync.get(number, -1)
            promised = sum(
                call.data.count(b"\n")
                for n, call in enumerate(done)
                if call.kind == "write" and call.file == number and n <= synced
            )
    return promised


def check(run: Recorded, target: Path, promised: int) -> None:
    path = target / run.name
    for _ in range(2):
        dataset = po.open_dataset(path)
        rows = list(read_table(dataset.location.table))
        assert len(rows) >= promised
        images = {image.path: image for image in dataset.images}
        for row in rows:
            event = row["event_index"]
            number = event.get("t", 0) * PLACES + event.get("p", 0)
            np.testing.assert_array_equal(images[row["image"]][row["index"]], frame(number))
        if dataset.status != "incomplete":
            break
        po.recover(path)
    assert po.open_dataset(path).status in ("complete", "recovered")


def check_power_cuts(folder: Path, way: str, states: int) -> None:
    (folder / "run").mkdir()
    run = record(folder / "run", way)
    dice = random.Random(states)
    ends = list(range(max(0, len(run.calls) - 6), len(run.calls) + 1))
    cuts = [*ends, *(dice.randrange(len(run.calls) + 1) for _ in range(states))]
    for number, cut in enumerate(cuts):
        kinds: list[Callable[[int], bool]] = [
            lambda call: True,
            lambda call: dice.random() < 0.5,
            lambda call, last=cut - 1: call != last,  # type: ignore[misc]
        ]
        target = folder / str(number)
        promised = replay(run, cut, kinds[number % 3], target)
        try:
            check(run, target, promised)
        except Exception as error:
            error.add_note(f"power cut after call {cut} of {len(run.calls)}, way {number % 3}")
            raise
        shutil.rmtree(target)


@pytest.mark.parametrize("way", WAYS)
def test_power_cut_loses_nothing_that_was_promised(tmp_path: Path, way: str) -> None:
    check_power_cuts(tmp_path, way, 12)


@pytest.mark.deep
@pytest.mark.parametrize("way", WAYS)
def test_many_power_cuts_lose_nothing_that_was_promised(tmp_path: Path, way: str) -> None:
    check_power_cuts(tmp_path, way, 150)
