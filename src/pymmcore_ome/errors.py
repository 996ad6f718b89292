"""Every refusal of the package, as a tree of exceptions.

::

    PymmcoreOmeError
    ├── SchemaError (ValueError)             what is to be stored is described wrongly
    │   ├── UnsafeNameError                  a name that could leave the store or break it
    │   └── SequenceError                    a useq sequence that cannot be stored
    ├── OptionError (ValueError)             an unknown format, backend, suffix, compression
    │   └── UnknownOptionError (TypeError)   a keyword that is no option
    ├── StorePathError (OSError)             the path cannot be used
    │   ├── StoreExistsError (FileExistsError)  something is there, and overwrite is off
    │   └── NotAStoreError                   what is there is not a store of ours
    ├── FrameError (ValueError)              a frame that does not fit its camera
    ├── PlacementError (LookupError)         a frame that has no place
    │   ├── OutsidePlanError (IndexError)    its index is outside the plan
    │   ├── PlanFullError (IndexError)       one frame more than the plan has
    │   ├── RepeatedFrameError               its place is already taken
    │   └── OutOfOrderError                  its backend has written past its place
    ├── UnreadableFrameError (LookupError)   a live view: acquired, and not readable yet
    ├── BufferFullError (BufferError)        no room for a frame, and when_full is "raise"
    ├── StreamClosedError (RuntimeError)     the stream was closed before
    ├── WriteError (OSError)                 pixels or documents did not reach the disk
    │   └── StalledError (TimeoutError)      the disk takes nothing any more
    └── AcquisitionError (RuntimeError)      the acquisition cannot be saved as it is
        └── RunningError (ValueError)        another run is under way

A refusal (all but `WriteError`) changes nothing: what was written before stays readable, and
the caller may go on. After a `WriteError` the stream is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Option(NamedTuple):
    """An option that a message tells people of; as text, it is the keyword of Python."""

    name: str
    value: object = ...

    def __str__(self) -> str:
        return f"{self.name}={'' if self.value is ... else repr(self.value)}"


class PymmcoreOmeError(Exception):
    """Root of every error that this package raises on purpose.

    Parameters
    ----------
    *parts : str or Option
        The message, one after the other. What to set is told by an `Option`, where those at a
        terminal call it otherwise.
    """

    def __init__(self, *parts: str | Option) -> None:
        self._parts = parts
        super().__init__("".join(map(str, parts)))

    def told(self, call: Callable[[Option], str]) -> str:
        """Return the message with each option as the caller calls it."""
        return "".join(
            call(part) if isinstance(part, Option) else str(part) for part in self._parts
        )


class SchemaError(PymmcoreOmeError, ValueError):
    """What is to be stored is described wrongly; nothing was created."""


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
    """Something is at the path already, and it must not be overwritten."""


class NotAStoreError(StorePathError):
    """What is at the path is not a store that this package wrote."""


class FrameError(PymmcoreOmeError, ValueError):
    """A frame whose shape or dtype is not its camera's; it was not taken."""


class PlacementError(PymmcoreOmeError, LookupError):
    """A frame that has no place in the plan; it was not taken."""


class OutsidePlanError(PlacementError, IndexError):
    """A frame whose index is outside the plan."""


class PlanFullError(PlacementError, IndexError):
    """One frame more than the plan has."""


class RepeatedFrameError(PlacementError):
    """A frame whose place is already taken by another frame."""


class OutOfOrderError(PlacementError):
    """A frame that comes after frames stored behind it, for a backend that cannot go back."""


class UnreadableFrameError(PymmcoreOmeError, LookupError):
    """A frame was acquired, and its backend lets nobody read it yet; it is not lost."""


class BufferFullError(PymmcoreOmeError, BufferError):
    """There is no room for a frame, and the stream was told not to wait; it was not taken."""


class StreamClosedError(PymmcoreOmeError, RuntimeError):
    """The stream was closed, or ended by an error, before."""


class WriteError(PymmcoreOmeError, OSError):
    """Pixels or documents did not reach the disk; the stream is over."""


class StalledError(WriteError, TimeoutError):
    """The disk takes nothing any more; what is in memory is still written if it comes back."""


class AcquisitionError(PymmcoreOmeError, RuntimeError):
    """An acquisition that cannot be saved the way it was asked."""


class RunningError(AcquisitionError, ValueError):
    """A run was started while another one is under way."""
