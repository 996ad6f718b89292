"""All exceptions of the package, as a tree.

::

    PymmcoreOmeError
    ├── SchemaError (ValueError)             an invalid description of the store
    │   ├── UnsafeNameError                  a name that could leave the store or break it
    │   └── SequenceError                    a useq sequence that cannot be stored
    ├── OptionError (ValueError)             an unknown format, backend, suffix, compression
    │   └── UnknownOptionError (TypeError)   a keyword that is no option
    ├── StorePathError (OSError)             the path cannot be used
    │   ├── StoreExistsError (FileExistsError)  something exists there, and overwrite is off
    │   ├── NotAStoreError                   not a store that this package wrote
    │   └── ResumeError                      the store cannot be resumed with this acquisition
    ├── FrameError (ValueError)              a frame that does not fit its camera
    ├── PlacementError (LookupError)         a frame that has no place
    │   ├── OutsidePlanError (IndexError)    its index is outside the plan
    │   ├── PlanFullError (IndexError)       one frame more than the plan has
    │   ├── RepeatedFrameError               its index already holds a frame
    │   └── OutOfOrderError                  its backend has written past its place
    ├── UnreadableFrameError (LookupError)   a live view: acquired, but not readable yet
    ├── BufferFullError (BufferError)        no room for a frame, and when_full is "raise"
    ├── StreamClosedError (RuntimeError)     the stream is closed
    ├── WriteError (OSError)                 pixels or documents did not reach the disk
    │   └── StalledError (TimeoutError)      the disk has stopped accepting data
    └── AcquisitionError (RuntimeError)      the acquisition cannot be saved as it is
        ├── MissingFramesError               planned frames are missing, and missing is "raise"
        └── RunningError (ValueError)        another run is under way

A refusal (all but `WriteError`) changes nothing: frames written before stay readable, and the
caller may continue. After a `WriteError`, the stream has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple


class Option(NamedTuple):
    """An option that a message names; as text, it is the Python keyword."""

    name: str
    value: object = ...

    def __str__(self) -> str:
        return f"{self.name}={'' if self.value is ... else repr(self.value)}"


def how_to_install(extra: str) -> str:
    """Return how to install an extra of this package, for a message.

    The package is not on an index yet: an extra can be installed from its source code only.
    """
    return f'python -m pip install ".[{extra}]"  (in the folder of pymmcore-ome\'s source code)'


class PymmcoreOmeError(Exception):
    """Root of every error that this package raises on purpose.

    Parameters
    ----------
    *parts : str or Option
        The parts of the message. An `Option` stands for a setting whose name at a terminal
        differs.
    """

    def __init__(self, *parts: str | Option) -> None:
        self._parts = parts
        super().__init__("".join(map(str, parts)))

    def message(self, name: Callable[[Option], str]) -> str:
        """Return the message with the name that `name` returns for each option."""
        return "".join(
            name(part) if isinstance(part, Option) else str(part) for part in self._parts
        )


class SchemaError(PymmcoreOmeError, ValueError):
    """An invalid description of the store; nothing was created."""


class UnsafeNameError(SchemaError):
    """A name that could leave the store, or that a file system would refuse."""


class SequenceError(SchemaError):
    """A useq sequence that cannot be stored; nothing was created."""


class OptionError(PymmcoreOmeError, ValueError):
    """An unknown format, backend, suffix, compression or chunk option."""


class UnknownOptionError(OptionError, TypeError):
    """A keyword argument that is no option; the message names the nearest one."""


class StorePathError(PymmcoreOmeError, OSError):
    """The path cannot be used for a store."""


class StoreExistsError(StorePathError, FileExistsError):
    """Something exists at the path and must not be overwritten."""


class NotAStoreError(StorePathError):
    """The path is not a store that this package wrote."""


class ResumeError(StorePathError):
    """The store cannot be resumed; the message names every difference, and nothing changed."""


class FrameError(PymmcoreOmeError, ValueError):
    """A frame whose shape or dtype is not that of its camera; it was rejected."""


class PlacementError(PymmcoreOmeError, LookupError):
    """A frame that has no place in the plan; it was rejected."""


class OutsidePlanError(PlacementError, IndexError):
    """A frame whose index is outside the plan."""


class PlanFullError(PlacementError, IndexError):
    """One frame more than the plan has."""


class RepeatedFrameError(PlacementError):
    """A frame whose index already holds another frame."""


class OutOfOrderError(PlacementError):
    """A frame that precedes frames already written, with a backend that cannot go back."""


class UnreadableFrameError(PymmcoreOmeError, LookupError):
    """The frame was acquired, but this backend cannot read it until the image is complete."""


class BufferFullError(PymmcoreOmeError, BufferError):
    """The buffer is full, and the stream does not wait; the frame was rejected."""


class StreamClosedError(PymmcoreOmeError, RuntimeError):
    """The stream is closed, or an error ended it."""


class WriteError(PymmcoreOmeError, OSError):
    """Pixels or documents did not reach the disk; the stream has ended."""


class StalledError(WriteError, TimeoutError):
    """The disk has stopped accepting data. Buffered frames are written if it recovers."""


class AcquisitionError(PymmcoreOmeError, RuntimeError):
    """An acquisition that cannot be run or saved as requested."""


class MissingFramesError(AcquisitionError):
    """A run was complete, and planned frames are missing; the others are stored."""


class RunningError(AcquisitionError, ValueError):
    """A run was started while another one is running."""


class MapErrors:
    """A context in which the errors of a library or the system become errors of ours.

    Errors of ours pass as they are.

    Parameters
    ----------
    make : callable
        Returns the error to raise instead of one, which becomes its cause.
    *kinds : exception types
        The errors to map. None given: all of `Exception`.
    """

    __slots__ = ("_kinds", "_make")

    def __init__(self, make: Callable[[Exception], Exception], *kinds: type[Exception]) -> None:
        self._make = make
        self._kinds = kinds or (Exception,)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, self._kinds) and not isinstance(error, PymmcoreOmeError):
            raise self._make(error) from error
