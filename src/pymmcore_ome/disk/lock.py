"""`StoreLock`: one writer a store, across programs. It ends with its process, however that dies.

A lock file next to the frame table, held through filelock; it is removed when it is released.
Network disks that do not lock are not protected.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pymmcore_ome.errors import StoreExistsError

from .location import StoreLocation

if TYPE_CHECKING:
    import filelock


class StoreLock:
    """The right to write to a store.

    Parameters
    ----------
    location : StoreLocation
        The folder that holds the frame table must exist.
    """

    def __init__(self, location: StoreLocation) -> None:
        self._location = location
        self._path = location.table.with_name(f"{location.table.name}.lock")
        self._file_lock: filelock.BaseFileLock | None = None

    @property
    def _lock(self) -> filelock.BaseFileLock:
        if self._file_lock is None:
            from filelock import FileLock  # here, because looking at a store takes no lock

            self._file_lock = FileLock(self._path, timeout=0, thread_local=False)
        return self._file_lock

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        StoreExistsError
            When another program, or another stream of this one, is writing to the store.
        """
        from filelock import Timeout

        try:
            self._lock.acquire()
        except Timeout:
            raise self._held() from None

    def _held(self) -> StoreExistsError:
        return StoreExistsError(
            f"{self._location.path} is being written by another program. Wait until it has "
            "ended, or choose another name."
        )

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._file_lock is not None and self._file_lock.is_locked:
            with contextlib.suppress(OSError):  # Windows removes it when it is released
                self._path.unlink(missing_ok=True)
            self._file_lock.release()

    def is_held(self) -> bool:
        """Whether a program is writing to the store now. Changes nothing."""
        if not self._path.exists():
            return False
        from filelock import Timeout

        try:
            self._lock.acquire()
        except Timeout:
            return True
        except OSError:  # a disk that may only be read has no writer
            return False
        self._lock.release()
        if os.name == "nt":  # which deletes it when it is released
            with contextlib.suppress(OSError):
                self._path.touch()
        return False

    @contextlib.contextmanager
    def is_free(self) -> Iterator[None]:
        """Begin the block only when no other writer holds the lock; it is not held within.

        Nor may a writer hold that of a store of the other kind, a file or a folder, at the path.

        Raises
        ------
        StoreExistsError
        """
        kinds = (replace(self._location, is_folder=kind) for kind in (True, False))
        if any(StoreLock(kind).is_held() for kind in kinds):
            raise self._held()
        yield
