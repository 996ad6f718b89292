"""`SaveOptions`: how a store is written. The only place where its options are written out.

A function that has these options takes them as ``**options: Unpack[SaveOptionsDict]`` and is
marked with `lists_options`, which shows each of them in its signature and in its help.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches
from typing import Any, Final, Literal, Self, TypedDict, TypeVar, get_args

from pymmcore_ome.backends import FILES, ArrayBackend, Files
from pymmcore_ome.errors import OptionError, UnknownOptionError
from pymmcore_ome.layout import (
    MOST_LEVELS,
    Chunks,
    Downsample,
    LevelCount,
    LevelPlan,
    Shards,
    is_level_count,
)

WhenFull = Literal["block", "raise"]
Durability = Literal["process", "power"]

CHECKPOINT_S: Final = 5.0
STALL_S: Final = 120.0
F = TypeVar("F", bound=Callable[..., Any])


class SaveOptionsDict(TypedDict, total=False):
    """The keyword arguments of `SaveOptions`, for type checkers."""

    format: str | None
    backend: str | type[ArrayBackend] | None
    overwrite: bool
    compression: str | None
    chunks: Chunks
    shards: Shards
    files: Files
    bigtiff: bool
    levels: LevelCount | None
    downsample: Downsample
    buffer_bytes: int | None
    when_full: WhenFull
    durability: Durability
    checkpoint_s: float
    stall_s: float
    checksums: bool
    resume: bool | Literal["verify"]


@dataclass(frozen=True, kw_only=True)
class SaveOptions:
    """The options of `open_stream`, `Output` and `install`. Checked when it is made.

    Parameters
    ----------
    format : ``"ome-zarr"`` | ``"ome-tiff"``, optional
        None: by the suffix of the path.
    backend : str or ArrayBackend subclass, optional
        One of `available_backends`. None: the format's default.
    overwrite : bool
        Replace an existing store. A folder that is not a store is never replaced.
    compression : str, optional
        ``"name"`` or ``"name:level"``; overrides the schema's. OME-Zarr: zstd, gzip, blosc;
        OME-TIFF: zstd, deflate, lzw.
    chunks : mapping of axis name to elements, or ``"auto"``, optional
        Overrides the schema's, OME-Zarr only. An axis that is not named has the schema's size,
        else one frame. Chunks of several frames are gathered in memory until they are full, and
        written by the backend tensorstore unless another is named. ``"auto"``: whole frames;
        small ones are gathered along the axes that the acquisition runs through fastest, until
        a chunk has at least 4 MiB; frames of 2 MiB are chunks of their own. Sizes that the
        schema declares stay. One frame a chunk where positions change faster, or the order of
        frames is not a loop nest.
    shards : mapping of axis name to elements, or False, optional
        Files of several chunks each; a shard must be a whole multiple of a chunk. None: with the
        backend native, up to 1,024 whole frames and 1 GiB, along the axes that the acquisition
        runs through fastest; with the others, no shards. False: one file for each chunk.
    files : ``"one"`` | ``"per-position"``
        OME-TIFF: all images in one file, or a folder with one file each.
    bigtiff : bool
        OME-TIFF: False writes a classic TIFF, which ends at 4 GiB.
    levels : int or ``"auto"``, optional
        Resolution levels, the full resolution included: each has half the height and width of
        the one before, rounded up. ``"auto"``: as many as reduce the longer side to 256
        pixels, at most 8. None: the full resolution alone. They are listed in the store when
        it is closed.
    downsample : ``"mean"`` | ``"nearest"``
        A pixel of a level is the mean of 2 x 2 pixels, halves rounded up, or the first of them
        (for labels).
    buffer_bytes : int, optional
        Frames held in memory at most. None: a quarter of the free memory, at most 1 GiB.
    when_full : ``"block"`` | ``"raise"``
        What `append` does when the buffer is full: wait, or raise BufferFullError. No frame is
        ever dropped.
    durability : ``"process"`` | ``"power"``
        What a stored frame survives: the death of this process, or a power cut too, which is
        slower.
    checkpoint_s : float
        Seconds after which a frame is on disk and listed, at most.
    stall_s : float
        Seconds that `append` waits for a disk that has stopped accepting data, at most.
    checksums : bool
        Put a checksum of each frame's pixels into the frame table, for
        ``validate(pixels=True)``.
    resume : bool or ``"verify"``
        Go on with the store at the path, of the same acquisition and the same options: only the
        frames that it lacks are acquired. A new one where there is none. ``"verify"``: also those
        whose pixels do not match their checksums. See `ResumeError`.

    Raises
    ------
    OptionError
        On a value that is not one of these.
    """

    format: str | None = None
    backend: str | type[ArrayBackend] | None = None
    overwrite: bool = False
    compression: str | None = None
    chunks: Chunks = None
    shards: Shards = None
    files: Files = "one"
    bigtiff: bool = True
    levels: LevelCount | None = None
    downsample: Downsample = "mean"
    buffer_bytes: int | None = None
    when_full: WhenFull = "block"
    durability: Durability = "process"
    checkpoint_s: float = CHECKPOINT_S
    stall_s: float = STALL_S
    checksums: bool = True
    resume: bool | Literal["verify"] = False

    def __post_init__(self) -> None:
        if self.files not in FILES:
            raise OptionError(
                f"files must be {' or '.join(map(repr, FILES))}, got {self.files!r:.80}."
            )
        if not isinstance(self.bigtiff, bool):
            raise OptionError(f"bigtiff must be True or False, got {self.bigtiff!r:.80}.")
        if self.levels is not None and not is_level_count(self.levels):
            raise OptionError(
                f"levels must be a whole number from 1 to {MOST_LEVELS}, 'auto', or None, got "
                f"{self.levels!r:.80}."
            )
        one_of("downsample", self.downsample, get_args(Downsample))
        one_of("when_full", self.when_full, get_args(WhenFull))
        one_of("durability", self.durability, get_args(Durability))
        one_of("checksums", self.checksums, (True, False))
        one_of("resume", self.resume, (False, True, "verify"))
        if self.resume and self.overwrite:
            raise OptionError(
                "resume and overwrite exclude each other: one goes on with the store at the path, "
                "the other replaces it. Choose one of them."
            )
        size = self.buffer_bytes
        if size is not None and (type(size) is not int or size < 1):
            raise OptionError(f"buffer_bytes must be a whole number from 1, got {size!r:.80}.")
        for name in ("checkpoint_s", "stall_s"):
            value = getattr(self, name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not 0 < value < math.inf:
                raise OptionError(f"{name} must be seconds above 0, got {value!r:.80}.")

    @property
    def level_plan(self) -> LevelPlan | None:
        """The resolution levels that are asked for; None: the full resolution alone."""
        if self.levels in (None, 1):
            return None
        return LevelPlan(self.levels, self.downsample, self.shards is not False)

    @classmethod
    def of(cls, options: Mapping[str, Any], *others: str) -> Self:
        """Return the options of a call.

        Parameters
        ----------
        options : mapping
            Keyword arguments.
        *others : str
            What else the caller accepts, for the message about an unknown name.

        Raises
        ------
        UnknownOptionError
            On a name that is no option, with the nearest one.
        OptionError
            As the class.
        """
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                near = get_close_matches(name, [*names, *others], n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"Options: {', '.join(names)}."
                raise UnknownOptionError(f"There is no option {name!r}. {hint}")
        return cls(**options)


def lists_options(function: F) -> F:
    """Show each of `SaveOptions` in a function's signature and help, in place of ``**options``.

    Parameters
    ----------
    function : callable or class
        Its docstring has the entry ``**options``, of one indented line.
    """
    function.__doc__ = _with_options(function.__doc__)
    if inspect.isclass(function):
        lists_options(function.__init__)
        return function
    signature = inspect.signature(function)
    kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field),
            annotation=field.type,
        )
        for field in fields(SaveOptions)
    ]  # fmt: skip
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*kept, *added]
    )
    return function


def _default(field: Field[Any]) -> Any:
    return inspect.Parameter.empty if field.default is MISSING else field.default


def _with_options(doc: str | None) -> str | None:
    if doc is None or SaveOptions.__doc__ is None:  # pragma: no cover  # python -OO
        return doc
    listed = inspect.cleandoc(SaveOptions.__doc__).partition("----------\n")[2]
    listed = listed.partition("\n\nRaises\n")[0]
    lines = inspect.cleandoc(doc).splitlines()
    at = next((n for n, line in enumerate(lines) if line.startswith("**options")), None)
    if at is None:
        return doc
    return "\n".join([*lines[:at], *listed.splitlines(), *lines[at + 2 :]])


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuse a value that is none of an option's.

    Raises
    ------
    OptionError
    """
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise OptionError(f"{name} must be one of {listed}, got {value!r:.80}.")
