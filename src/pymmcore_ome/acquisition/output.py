"""`Output`: where and how a run is to be saved; the object for `mda.run(output=…)`.

With `install` the run goes through the engine and errors raise out of `run`. Without it the
same object is a plain frameReady handler: an error is kept, the run is canceled, and
`result` raises it. No exception ever leaves a slot, because Qt would end the process.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Unpack

import useq
from numpy.typing import NDArray
from psygnal import Signal, SignalInstance

from pymmcore_ome.errors import (
    AcquisitionError,
    MissingFramesError,
    PymmcoreOmeError,
    ResumeError,
)
from pymmcore_ome.metadata import Status, StoreRecord
from pymmcore_ome.schema import Camera, StorageSchema
from pymmcore_ome.stream import (
    ArrayView,
    Progress,
    SaveOptions,
    SaveOptionsDict,
    StorePlan,
    Summary,
    lists_options,
)

from .destination import Destination, Missing, ResumeActions, Unready
from .engine_methods import is_standard
from .microscope import CoreFacts
from .readiness import EventChecks, is_described, refuse_unready
from .run_end import Light, ends_quietly
from .sink import Sink

logger = logging.getLogger("pymmcore-ome")


@lists_options
class Output:
    """A place to save a run, with its options.

    May serve several runs, one after the other; each makes the store anew, so that all but
    the first need `overwrite`.

    Parameters
    ----------
    path : path-like
        Ends in ``.ome.zarr``, ``.zarr``, ``.ome.tiff`` or ``.tif`` unless `format` is given.
    cameras : sequence of Camera, optional
        What delivers frames, in the order of ``cam`` in their index, where the engine does
        not describe it. None: as the engine's summary metadata has it.
    unready : str
        Where the microscope lacks a channel, stage or property of the sequence: ``"refuse"``
        the run before anything moves, or run it and ``"record"`` the affected frames.
    missing : str
        Where planned frames are missing at the end of a complete run, such as after a snap that
        failed: ``"record"`` it in the summary and the store, or ``"raise"`` MissingFramesError
        from the run when all that was acquired is stored.
    resume_actions : str
        Custom actions of a run that is resumed, which may have run before: ``"skip"`` or
        ``"run"`` them all.
    core : CMMCorePlus, optional
        Without `install`: the core that runs, so that a run that cannot be saved is stopped
        and how it ended is known. None: ``CMMCorePlus.instance()``.
    **options
        As `SaveOptions`.

    Attributes
    ----------
    saved : psygnal signal
        A run has ended and every frame is stored, with its `Summary`; emitted in the
        thread of the run. A slot that raises is logged, and changes nothing.
    failed : psygnal signal
        A run could not be saved, with the error; emitted once a run.

    Raises
    ------
    OptionError, StorePathError
        At once, on an unknown suffix, format, backend or option, or an invalid path.
    """

    saved = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        cameras: Sequence[Camera] | None = None,
        unready: Unready = "refuse",
        missing: Missing = "record",
        resume_actions: ResumeActions = "skip",
        core: Any = None,
        **options: Unpack[SaveOptionsDict],
    ) -> None:
        chosen = SaveOptions.of(options, "cameras", "unready", "missing", "resume_actions", "core")
        self._destination = Destination.of(path, cameras, unready, missing, chosen, resume_actions)
        self._core = core
        self._sink: Sink | None = None
        self._annotations = StoreRecord("", {})
        self._checks = EventChecks(None)
        self._light = Light(None)
        self._error: BaseException | None = None
        self._canceled = False
        self._relay: threading.Thread | None = None
        self._relay_watch: threading.Thread | None = None

    @property
    def path(self) -> Path:
        """Where the store is made."""
        return self._destination.path

    @property
    def format(self) -> str:
        """``"ome-zarr"`` or ``"ome-tiff"``."""
        return self._destination.format

    @property
    def overwrite(self) -> bool:
        """Whether an existing store is replaced."""
        return self._destination.options.overwrite

    @property
    def unready(self) -> Unready:
        """What happens where a setting of the sequence cannot be applied."""
        return self._destination.unready

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """What delivers frames; empty: what the engine describes."""
        return self._destination.cameras

    @property
    def destination(self) -> Destination:
        """Where a run is saved, and how."""
        return self._destination

    def check(self) -> None:
        """Raise unless a store can be made at the path now; changes nothing."""
        self._destination.check()

    def plan(self, schema: StorageSchema) -> StorePlan:
        """Return what a run that delivers this would make; changes nothing.

        Raises
        ------
        OptionError, SchemaError, StorePathError
            What the run would refuse.
        """
        return self._destination.plan(schema)

    def begin(self, events: object = None) -> Sink:
        """Return a new sink for the next run; of its events, only a list is looked at."""
        if self._sink is not None and self._sink.is_open:
            raise AcquisitionError(f"Another run is still writing to {self.path}.")
        self._sink, self._error, self._canceled = Sink(self._destination, events), None, False
        for namespace, mapping in self._annotations.annotations.items():
            self._sink.annotate(namespace, mapping)
        return self._sink

    def end(self, error: BaseException | None) -> None:
        """Keep how a run ended, for `result`, and emit the signals."""
        if error is None:
            error = self._missing_frames()
        self._error = error
        if error is not None:
            tell(self.failed, error)
        elif self._sink is not None and self._sink.summary is not None:
            tell(self.saved, self._sink.summary)

    def _missing_frames(self) -> MissingFramesError | None:
        summary = self.summary
        if self._destination.missing == "record" or summary is None:
            return None
        if summary.status != "complete" or not summary.frames_missing:
            return None
        return MissingFramesError(
            f"{summary.frames_missing} of {summary.frames_planned} planned frames are missing from "
            f"{self.path}. The others are stored; pymmcore-ome info lists those that are missing."
        )

    def annotate(self, namespace: str, mapping: Mapping[str, Any]) -> None:
        """Add metadata of your own to the present run, or else to each of the next ones.

        Parameters
        ----------
        namespace, mapping
            As `Stream.annotate`.

        Raises
        ------
        OptionError
            On a namespace or a mapping that cannot be kept.
        """
        if self._sink is not None and self._sink.is_open:
            self._sink.annotate(namespace, mapping)
        else:
            self._annotations = self._annotations.annotated(namespace, mapping)

    @property
    def summary(self) -> Summary | None:
        """What the last run stored, also if it failed; None before its store is closed."""
        self._wait_for_last_signal()
        return None if self._sink is None else self._sink.summary

    @property
    def progress(self) -> Progress | None:
        """How far the present or last run is; None before its store is made."""
        stream = self._sink.stream if self._sink is not None else None
        return None if stream is None else stream.progress

    def view(self) -> ArrayView | None:
        """Return the present or last run as an array that can be read now, from any thread.

        With a leading axis ``p`` where the sequence has positions. None before the store is
        made, which a slot of ``sequenceStarted`` does not see without `install`.
        """
        return None if self._sink is None else self._sink.view

    def result(self) -> Summary:
        """Return what the last run stored.

        Raises
        ------
        PymmcoreOmeError
            The error that ended the run, or AcquisitionError when no run has ended.
        """
        self._wait_for_last_signal()
        if self._error is not None:
            raise self._error
        if self._sink is None or self._sink.summary is None:
            raise AcquisitionError(f"No run has been saved to {self.path} yet.")
        return self._sink.summary

    # ------------------------------------------------ as a frameReady handler, without install

    def sequenceStarted(self, sequence: useq.MDASequence, summary: Mapping[str, Any]) -> None:
        """Make the store (signal of pymmcore-plus)."""
        self._wait_for_last_signal()
        self._guard(lambda: self._begin(sequence, summary))
        self._watch_relay(sequence)

    def frameReady(
        self, image: NDArray[Any], event: useq.MDAEvent, meta: Mapping[str, Any]
    ) -> None:
        """Store a frame (signal of pymmcore-plus)."""
        sink = self._sink
        if self._error is None and sink is not None:
            self._guard(
                lambda: sink.append(image, event, meta, self._checks.unapplied_settings(event))
            )

    def sequenceCanceled(self, sequence: useq.MDASequence) -> None:
        """Note that the run was canceled (signal of pymmcore-plus)."""
        self._canceled = True

    def sequenceFinished(self, sequence: useq.MDASequence) -> None:
        """End the store (signal of pymmcore-plus)."""
        sink = self._sink
        if sink is None:
            return
        status: Status = "canceled" if self._canceled else "complete"
        reason = None
        if self._error is not None:
            status, reason = "failed", str(self._error)
        elif not self._canceled and self._ended_badly(sink):
            status, reason = "failed", "the acquisition ended before its last frame"
        self._light.restore()
        self._guard(lambda: sink.close(status, reason))
        if self._error is None:
            self.end(None)

    def _watch_relay(self, sequence: useq.MDASequence) -> None:
        """End the run when the thread that delivers its signals ends without the last of them.

        pymmcore-plus (0.18) asks its relay to stop a moment before it hands it
        ``sequenceFinished``, so that the relay sometimes ends first.
        """
        relay, sink = threading.current_thread(), self._sink
        if relay is threading.main_thread() or sink is None:
            return

        def end() -> None:
            relay.join()
            if sink is not self._sink or not sink.is_open:
                return
            if _phase(self._runner()) in _GOING_ON:
                self._guard(self._refuse_without_signals)
            self.sequenceFinished(sequence)

        self._relay = relay
        self._relay_watch = threading.Thread(
            target=end, name="pymmcore-ome last signal", daemon=relay.daemon
        )
        self._relay_watch.start()

    def _refuse_without_signals(self) -> None:
        raise AcquisitionError(
            f"The thread that delivers the frames of the run to {self.path} ended before the run. "
            "See the log for the handler that raised, or call pymmcore_ome.install(core)."
        )

    def _wait_for_last_signal(self) -> None:
        relay, watch = self._relay, self._relay_watch
        if relay is None or watch is None or relay.is_alive():
            return
        if threading.current_thread() is not watch:
            watch.join()

    def _begin(self, sequence: useq.MDASequence, summary: Mapping[str, Any]) -> None:
        core = self._running_core()  # held: an instance that nobody holds is gone at once
        ends_quietly(core)
        if self._destination.resumes:
            raise ResumeError(
                f"{self.path} cannot be resumed without install, because a handler cannot leave "
                "out the events whose frames are stored. Call pymmcore_ome.install(core) once, "
                "before the run."
            )
        engine = core.mda.engine
        # a handler hears of the run in a thread of its own, maybe after the first event
        self._light = Light(core, getattr(engine, "_autoshutter_was_set", None))
        warn_of_unsafe_signals(core.mda.events)
        sink = self.begin()
        is_known = self._core is not None or is_described(engine, summary)
        if is_known:
            refuse_unready(engine, sequence, [self])
        self._checks = EventChecks(engine if is_known else None)
        facts = CoreFacts.of_engine(engine, is_known and is_standard(engine))
        sink.setup(sequence, summary, facts)

    def _guard(self, action: Callable[[], object]) -> None:
        """Do it; keep the first error, and cancel the run that it makes worthless."""
        try:
            action()
        except Exception as error:  # the one place where a slot's error is latched
            if self._error is None:
                self._error = error
                if not isinstance(error, PymmcoreOmeError):
                    logger.exception("Saving to %s failed", self.path)
                logger.error("Saving to %s failed, the run is canceled: %s", self.path, error)
                self._stop_run()
                tell(self.failed, error)

    def _ended_badly(self, sink: Sink) -> bool:
        """Whether the run ended with an error; an older runner is judged by what is missing."""
        finished = getattr(getattr(self._runner(), "status", None), "finish_reason", None)
        if finished is not None:
            return str(finished) == "errored"
        progress = None if sink.stream is None else sink.stream.progress
        planned = None if progress is None else progress.frames_planned
        return progress is not None and planned is not None and progress.frames_appended < planned

    def _stop_run(self) -> None:
        runner = self._runner()
        runner.cancel()
        if self._core is None and _phase(runner) == "idle":
            logger.critical(
                "The run that cannot be saved to %s may go on: give its core to Output(core=…), "
                "or install the package on it.",
                self.path,
            )

    def _runner(self) -> Any:
        return self._running_core().mda

    def _running_core(self) -> Any:
        if self._core is not None:
            return self._core
        from pymmcore_plus import CMMCorePlus

        return CMMCorePlus.instance()


def tell(signal: SignalInstance, what: object) -> None:
    """Emit a signal; what a slot raises is logged, for it is not about the data."""
    try:
        signal.emit(what)
    except Exception:  # whatever a user's slot raises
        logger.exception("A slot of %s raised", signal.name)


def _phase(runner: Any) -> str:
    """What a runner is doing; empty on pymmcore-plus before 0.18, which does not report it."""
    return str(getattr(getattr(runner, "status", None), "phase", ""))


logger = logging.getLogger("pymmcore-ome")

#: Phases of a runner in which frames are still to come.
_GOING_ON: Final = frozenset({"preparing", "acquiring", "waiting", "paused"})

#: pymmcore-plus connects and disconnects the slots of a handler in the acquisition's thread, while
#: Qt calls them in the main thread. PySide6 (6.11) does not keep what it still has to call: it then
#: reads freed memory. PyQt6 does keep it. To be removed when either of them does otherwise.
_UNSAFE: Final = "PySide6"


def warn_of_unsafe_signals(events: object) -> None:
    """Warn in the log where a run that is saved by a handler may end the process.

    Parameters
    ----------
    events : object
        The signals of the runner.
    """
    if any(kind.__module__.startswith(_UNSAFE) for kind in type(events).__mro__):
        logger.warning(
            "The core's signals are PySide6's, which may crash the process when a run with a "
            "handler ends. Call pymmcore_ome.install(core) once, before the run: frames then come "
            "from the engine, and no signal is needed."
        )
