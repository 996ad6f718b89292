"""`install`: string paths of `core.mda.run` and `core.run_mda` are saved by this package.

It shadows the runner's public `run` on the instance. No class is patched, other cores are
not touched, and `uninstall` leaves the core as it was.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import wraps
from typing import Any, Final, Self, Unpack

import useq
from psygnal import Signal
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.errors import AcquisitionError, OptionError, ResumeError, RunningError
from pymmcore_ome.metadata import Status
from pymmcore_ome.schema import Camera
from pymmcore_ome.stream import SaveOptionsDict, lists_options

from .destination import Missing, Unready
from .engine_methods import replaced
from .listener import EngineListener
from .output import Output, tell
from .readiness import refuse_unready
from .run_end import end_interrupted, ends_quietly
from .run_thread import RunThread

_SHADOWED: Final = ("run", "cancel", "get_view")


class Installation:
    """The package installed on one core. Made by `install`; also a context manager.

    One run at a time: a run that starts while the last one is still finishing waits for it.

    Attributes
    ----------
    saved : psygnal signal
        A run has ended and all of it is stored, with the `Summary` of each of our outputs as
        a tuple; emitted in the thread of the run.
    failed : psygnal signal
        A run that was to be saved ended with an error, with that error.
    """

    saved = Signal(tuple)
    failed = Signal(object)

    def __init__(self, core: CMMCorePlus, options: dict[str, Any]) -> None:
        self._options = [options]
        self._listener: EngineListener | None = None
        self._core = weakref.ref(core)
        self._runner: Any = core.mda
        self._run = self._runner.run
        self._cancel = self._runner.cancel
        self._get_view = getattr(self._runner, "get_view", None)  # since pymmcore-plus 0.18
        self._viewed: Output | None = None
        self._shadows = ExitStack()
        self._one_run = threading.RLock()
        self._cancel_asked = False
        self.activate()

    def activate(self) -> None:
        """Put the shadows in place, also where something else took them away."""
        self._shadows.close()
        shadow = self._shadows.enter_context
        for name in _SHADOWED:
            shadow(replaced(self._runner, name, _kept(getattr(self, name))))
        core: Any = self._core()
        if core is not None:
            shadow(replaced(core, "run_mda", _kept(self.run_mda)))

    def uninstall(self) -> None:
        """Take the shadows away; harmless when that was done before."""
        if vars(self._runner).get(_KEY) is self:
            delattr(self._runner, _KEY)
        self._shadows.close()

    @property
    def options(self) -> dict[str, Any]:
        """The defaults for string paths, of the innermost `install`."""
        return self._options[-1]

    def install_again(self, options: dict[str, Any]) -> None:
        """Use other defaults, until as many blocks are left as were entered."""
        self._options.append(options)
        self.activate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._options.pop()
        if not self._options:
            self._options.append({})
            self.uninstall()

    def cancel(self) -> Any:
        """Cancel the run, as the runner's own `cancel` does."""
        self._cancel_asked = True
        return self._cancel()

    def get_view(self) -> Any:
        """Return an array-like view of the present or last run, as the runner's own.

        Of a run that we save: an `ArrayView`, the first output's; else the runner's own, or
        None where it has none.
        """
        if self._viewed is not None:
            return self._viewed.view()
        return None if self._get_view is None else self._get_view()

    def run(
        self,
        events: Iterable[useq.MDAEvent],
        *,
        output: Any = None,
        overwrite: bool = False,
        **options: Any,
    ) -> None:
        """Run a sequence, as `MDARunner.run`, saving to the outputs that are ours.

        Parameters
        ----------
        events
            A `useq.MDASequence`, or any iterable of events whose number is not known.
        output
            A path, an `Output`, a handler, or a list of them. A path must end in ``.zarr``,
            ``.tiff`` or ``.tif``; ``"memory"`` and ``"scratch"`` are the runner's.
        overwrite : bool
            For paths: replace a store that is there.
        **options
            As the runner's own. ``dimension_overrides`` (``chunk_size`` in elements and
            ``shard_size_chunks`` by axis name) apply to paths, ours or not.

        Raises
        ------
        PymmcoreOmeError
            When the run cannot be saved (before anything moves), or when a frame could not
            be stored (the run is stopped).
        """
        _check_events(events)
        overrides = options.pop("dimension_overrides", None)
        ours, others = sort_outputs(output, self.options, overwrite, overrides)
        if overwrite and (others or not ours):  # unknown to the runner before 0.18
            options["overwrite"] = overwrite
        if overrides and (others or not ours):
            options["dimension_overrides"] = overrides
        if not ours:
            with self._one_run:
                self._viewed = None
                try:
                    self._run(events, output=output, **options)
                except BaseException as error:
                    self._end_if_interrupted(error)
                    raise
            return
        with self._one_run:
            if self._listener is not None and self._listener.is_listening:
                raise AcquisitionError(
                    "A run was started from inside another one, in the same thread. Start it "
                    "when the first has finished, e.g. from sequenceFinished."
                )
            try:
                self._save(events, ours, {"output": others or None, **options})
            except BaseException as error:
                tell(self.failed, error)
                raise
            tell(self.saved, tuple(output.result() for output in ours))

    def run_mda(
        self,
        events: Iterable[useq.MDAEvent],
        *,
        output: Any = None,
        block: bool = False,
        overwrite: bool = False,
        **options: Any,
    ) -> RunThread:
        """Run a sequence in a thread, as `CMMCorePlus.run_mda`.

        Returns
        -------
        RunThread
            Its ``result()`` waits for the end, and raises the error of a run that failed.

        Raises
        ------
        RunningError
            When a run is under way.
        OptionError, StorePathError, AcquisitionError
            When an output is no output. What is only known when the run starts is
            raised by the thread's result and emitted by `failed`.
        """
        _check_events(events)
        if self._runner.is_running():
            raise RunningError("A run is under way. Start the next when it has ended.")
        overrides = options.get("dimension_overrides")
        ours, others = sort_outputs(output, self.options, overwrite, overrides)
        if ours:
            output = [*ours, *others]
            if not others:
                options.pop("dimension_overrides", None)
        if overwrite and (others or not ours):
            options["overwrite"] = overwrite
        thread = RunThread(lambda: self._runner.run(events, output=output, **options), ours)
        thread.start()
        if block:
            thread.join()
        return thread

    def _save(
        self, events: Iterable[useq.MDAEvent], outputs: list[Output], options: dict[str, Any]
    ) -> None:
        engine = self._runner.engine
        if engine is None:
            raise AcquisitionError("No engine is set on the runner, so nothing can be run.")
        self._cancel_asked = False
        error: BaseException | None = None
        try:
            for output in outputs:
                output.check()
                if len(outputs) > 1 and output.destination.resumes:
                    raise ResumeError(
                        f"{output.path} cannot be resumed together with other outputs, which lack "
                        "other frames. Resume one output a run."
                    )
            refuse_unready(engine, events, outputs)
            sinks = [output.begin(events) for output in outputs]
            self._viewed = outputs[0]
            listener = self._listener = EngineListener(engine, sinks, self._ending)
            with listener:
                self._run(events, **options)
            if listener.close_error is not None:
                raise listener.close_error
        except BaseException as raised:
            error = raised
            self._end_if_interrupted(error)
            raise
        finally:
            for output in outputs:
                output.end(error)
        for output in outputs:
            output.result()  # raises where frames are missing that must not be

    def _end_if_interrupted(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            end_interrupted(self._runner)

    def _ending(self) -> tuple[Status, str | None]:
        """Return how the run ended, as far as the runner knows."""
        finished = getattr(getattr(self._runner, "status", None), "finish_reason", None)
        if finished is None:  # pymmcore-plus before 0.18 does not tell
            finished = "canceled" if self._cancel_asked else "completed"
        match str(finished):
            case "canceled":
                return "canceled", "canceled by the user"
            case "errored":
                return "failed", "the acquisition ended with an error"
            case _:
                return "complete", None


def _check_events(events: object) -> None:
    """Refuse a list of what are no events, such as sequences.

    Raises
    ------
    AcquisitionError
    """
    if isinstance(events, useq.MDASequence) or not isinstance(events, (list, tuple)):
        return
    for number, event in enumerate(events):
        if isinstance(event, useq.MDASequence):
            raise AcquisitionError(
                f"Item {number} of the list is an MDASequence, expected MDAEvents. Run one "
                "sequence after the other, or give each position a sequence of its own."
            )
        if not isinstance(event, useq.MDAEvent):
            raise AcquisitionError(
                f"Item {number} of the list is {type(event).__name__}, expected MDAEvents."
            )


def _kept(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a method and keeps what it belongs to.

    A signal holds a bound method weakly: a Cancel button that was connected while we were
    installed would do nothing once we are not.
    """

    @wraps(method)
    def call(*values: Any, **options: Any) -> Any:
        return method(*values, **options)

    return call


#: Where a runner keeps its installation: a table of ours would keep both alive forever.
_KEY: Final = "_pymmcore_ome_installation"


@lists_options
def install(
    core: CMMCorePlus | None = None,
    *,
    cameras: Sequence[Camera] | None = None,
    unready: Unready = "refuse",
    missing: Missing = "record",
    **options: Unpack[SaveOptionsDict],
) -> Installation:
    """Let string paths of `core.mda.run` and `core.run_mda` be saved by this package.

    Installing again on the same core returns the same installation, with the new options.

    Parameters
    ----------
    core : CMMCorePlus, optional
        None: ``CMMCorePlus.instance()``.
    cameras, unready, missing
        Defaults for string paths, as `Output`; so are all that follow.
    **options
        As `SaveOptions`.

    Returns
    -------
    Installation
        With ``uninstall()``; also a context manager.

    Examples
    --------
    >>> from pymmcore_plus import CMMCorePlus
    >>> import pymmcore_ome as po
    >>> core = CMMCorePlus()
    >>> installation = po.install(core)
    >>> core.mda.run([], output=None)  # or output="experiment.ome.zarr", and it is saved
    >>> installation.uninstall()
    """
    core = CMMCorePlus.instance() if core is None else core
    if not hasattr(core, "mda"):
        raise AcquisitionError(f"install takes a CMMCorePlus, got {core!r:.80}.")
    ends_quietly(core)
    defaults: dict[str, Any] = {
        "cameras": cameras, "unready": unready, "missing": missing, **options
    }  # fmt: skip
    Output("check.ome.zarr", **defaults)  # unknown options are refused here
    installed: Installation | None = vars(core.mda).get(_KEY)
    if installed is not None:
        installed.install_again(defaults)
        return installed
    installation = Installation(core, defaults)
    setattr(core.mda, _KEY, installation)
    return installation


_OVERRIDES: Final = {"chunk_size", "shard_size_chunks"}
_NAMES_OF_THE_RUNNER: Final = ("memory", "scratch")


def sort_outputs(
    output: Any,
    defaults: Mapping[str, Any],
    overwrite: bool,
    overrides: Mapping[str, Mapping[str, int]] | None,
) -> tuple[list[Output], list[Any]]:
    """Sort outputs into those that are ours, as `Output`, and all others.

    Parameters
    ----------
    output
        A path, an `Output`, a handler, a list of them, or None.
    defaults : mapping
        Keyword arguments of `Output` for paths.
    overwrite : bool
        For paths.
    overrides : mapping of axis name to mapping, or None
        The runner's ``dimension_overrides``, for paths.

    Raises
    ------
    OptionError, StorePathError, AcquisitionError
        When a path or an option is invalid, or two outputs are one.
    """
    if output is None:
        return [], []
    single = isinstance(output, (str, os.PathLike)) or not isinstance(output, Sequence)
    ours: list[Output] = []
    others: list[Any] = []
    for item in [output] if single else output:
        if isinstance(item, Output):
            ours.append(item)
        elif isinstance(item, (str, os.PathLike)) and not _is_of_the_runner(item):
            options = dict(defaults)
            options["overwrite"] = overwrite or options.get("overwrite", False)
            options.update(_overridden(options, overrides or {}))
            ours.append(Output(item, **options))
        else:
            others.append(item)
    paths = [output.path.resolve() for output in ours]
    if len(set(paths)) < len(paths):
        raise AcquisitionError("Two outputs of one run name the same path.")
    return ours, others


def _is_of_the_runner(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a name that pymmcore-plus gives a meaning: frames are kept in memory."""
    return os.fspath(path).rstrip("/").rstrip(":").lower() in _NAMES_OF_THE_RUNNER


def _overridden(
    options: Mapping[str, Any], overrides: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Return the runner's `dimension_overrides` as our chunks and shards, in elements."""
    if not overrides:
        return {}
    for axis, changes in overrides.items():
        if unknown := set(changes) - _OVERRIDES:
            raise OptionError(
                f"dimension_overrides[{axis!r}] knows {sorted(_OVERRIDES)}, got {sorted(unknown)}."
            )
    chosen, shards = options.get("chunks") or {}, dict(options.get("shards") or {})
    chunks = dict(chosen) if isinstance(chosen, Mapping) else {}
    for axis, changes in overrides.items():
        if "chunk_size" in changes:
            chunks[axis] = changes["chunk_size"]
        if "shard_size_chunks" in changes:
            if axis not in chunks:
                raise OptionError(
                    f"dimension_overrides[{axis!r}]: shard_size_chunks needs a chunk_size."
                )
            shards[axis] = changes["shard_size_chunks"] * chunks[axis]
    return {"chunks": chunks or None, "shards": shards or None}
