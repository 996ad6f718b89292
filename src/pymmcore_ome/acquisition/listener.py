"""`EngineListener`: hears all that an engine does during one run, and notifies the sinks.

It shadows the public methods of the engine on the instance, for the duration of one run, and
takes every shadow away again. The engine's class, its identity and its results stay as they
are. Everything happens in the acquisition thread, so an error raises where it arises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from itertools import groupby
from types import GeneratorType
from typing import Any, Final

import useq
from pymmcore_plus.mda import PMDAEngine

from pymmcore_ome.metadata import Status

from .engine_methods import ACQUIRES, is_standard, replaced
from .failed_settings import FailedSettings, whole_bursts
from .microscope import CoreFacts
from .readiness import EventChecks
from .resumption import MissingEvents
from .run_end import Light, stop_camera
from .sink import Sink

logger = logging.getLogger("pymmcore-ome")
_METHODS: Final = (
    "setup_sequence",
    "setup_event",
    "exec_event",
    "teardown_sequence",
    "event_iterator",
)


class EngineListener:
    """Feeds sinks from an engine, for one run. A context manager.

    Parameters
    ----------
    engine : PMDAEngine
    sinks : sequence of Sink
    ending : callable
        Asked at the end of the run for its status and reason, as far as the runner knows.
    """

    def __init__(
        self,
        engine: PMDAEngine,
        sinks: Sequence[Sink],
        ending: Callable[[], tuple[Status, str | None]],
    ) -> None:
        self._engine: Any = engine
        self._sinks = sinks
        self._ending = ending
        self._shadows = ExitStack()
        self.is_listening = False  # whether the engine's methods are shadowed now
        self._cameras = 1
        self._is_standard = is_standard(engine)
        self._failed_settings = FailedSettings(engine)
        self._checks = EventChecks(engine)
        self._acquires_as_usual = is_standard(engine, ACQUIRES)
        self._whole_bursts = whole_bursts(engine)
        self._unapplied_settings: list[str] = []  # of the present event, which the engine only logs
        self._light = Light(None)
        self.error: BaseException | None = None  # what ended the run, wherever it arose
        self.close_error: Exception | None = None  # what a sink said at its end

    def __enter__(self) -> EngineListener:
        for name in _METHODS:
            original = getattr(self._engine, name, None)
            if original is None and name == "event_iterator":
                original = iter  # what the runner then takes
            if original is not None:
                shadow = getattr(self, f"_{name}")(original)
                self._shadows.enter_context(replaced(self._engine, name, shadow))
        self.is_listening = True
        self._failed_settings.attach()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._leave()
        self._light.restore()
        if error is not None:
            stop_camera(getattr(self._engine, "mmcore", None))
        # an engine without teardown_sequence, or an interrupt that went past it
        self._close(error)

    def _leave(self) -> None:
        """Take the shadows away: what the engine does from now on is another run."""
        self.is_listening = False
        self._shadows.close()
        self._failed_settings.detach()
        self._checks = EventChecks(None)  # which keeps no core

    def _setup_sequence(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def setup_sequence(sequence: Any) -> Any:
            self._light = Light(getattr(self._engine, "mmcore", None))
            setup = sequence.setup if self._is_standard else None
            with self._failed_settings.collecting(setup) as unapplied_settings:
                summary = original(sequence)
            with self._noting():
                facts = CoreFacts.of_engine(self._engine, self._is_standard)
                for sink in self._sinks:
                    sink.setup(
                        sequence, summary, facts, unapplied_settings if self._is_standard else ()
                    )
                    self._cameras = sink.frames_per_event
            return summary

        return setup_sequence

    def _setup_event(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def setup_event(event: Any) -> Any:
            try:
                with self._failed_settings.collecting(event) as self._unapplied_settings:
                    result = original(event)
                if self._acquires_as_usual and isinstance(event.action, useq.CustomAction):
                    self._unapplied_settings.append(
                        f"the engine has no action {event.action.name!r}, so nothing was done"
                    )
                return result
            except Exception as error:
                if type(error).__name__ == "SkipEvent":  # since pymmcore-plus 0.18
                    if getattr(error, "num_frames", 1):
                        self._skip(_frames_of(event))
                else:
                    self.error = error
                raise

        return setup_event

    def _exec_event(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def exec_event(event: Any) -> Iterable[Any]:
            return self._relay(original, event)

        return exec_event

    def _relay(self, original: Callable[..., Any], event: Any) -> Generator[Any, Any, None]:
        """Yield what the engine yields, after the sinks have it; send back what is sent."""
        with self._noting():
            payloads: Iterator[Any] = iter(original(event) or ())
            advance = _advance_of(payloads)
            stage = _standing_stage(self._engine, event) if hasattr(event, "events") else {}
            # while it waits for frames only: slots and the writer see the core as it is
            bursts = self._whole_bursts if hasattr(event, "events") else nullcontext
            signal, arrived = None, 0
            while True:
                try:
                    with self._failed_settings.collecting() as late, bursts():
                        payload = advance(signal)
                except StopIteration:
                    if not arrived:  # a snap that failed: the engine only logs it
                        self._skip(_frames_of(event))
                        self._note([*self._unapplied_settings, *late])
                    return
                self._unapplied_settings += late
                try:
                    self._hand_over(payload, event, arrived, stage)
                except BaseException:
                    _stop(payloads)
                    raise
                arrived += 1
                signal = yield payload

    def _hand_over(
        self, payload: Any, event: Any, arrived: int, stage: Mapping[str, float]
    ) -> None:
        if payload is None:  # a frame of a sequence that did not come
            self._skip(_frames_of(event)[arrived // self._cameras :][:1])
            return
        image, taken, meta = payload
        if stage and not meta.get("position"):
            meta = {**meta, "position": stage}
        for sink in self._sinks:
            sink.append(image, taken, meta, self._unapplied_settings)

    def _skip(self, events: Sequence[Any]) -> None:
        """Notify the sinks that these events deliver no frame, of no camera."""
        for event in events:
            for sink in self._sinks:
                sink.skip(event)

    def _note(self, unapplied_settings: Sequence[str]) -> None:
        for sink in self._sinks:
            sink.note(unapplied_settings)

    def _event_iterator(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def event_iterator(events: Iterable[Any]) -> Iterator[Any]:
            with self._noting():
                events = self._missing(events)
                if not self._is_standard:
                    yield from original(events)
                    return
                # where the engine makes bursts, it asks the core for the preset of each channel,
                # and a missing one ends the run; an event on its own is only flagged
                for is_unknown, part in groupby(events, self._asks_unknown):
                    yield from (iter if is_unknown else original)(part)

        return event_iterator

    def _asks_unknown(self, event: Any) -> bool:
        return bool(self._checks.unknown_settings(event))

    def _missing(self, events: Iterable[Any]) -> Iterable[Any]:
        """Return the events of which a store lacks a frame; all, unless every sink is resumed."""
        sinks = self._sinks
        if not sinks or not all(sink.is_resumed for sink in sinks):
            return events
        missing = MissingEvents(
            lambda event, repeat: all(sink.holds(event, repeat) for sink in sinks),
            runs_actions=any(sink.runs_actions for sink in sinks),
        )
        return missing.of(events, repeats=any(sink.has_repeats for sink in sinks))

    def _teardown_sequence(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def teardown_sequence(sequence: Any) -> Any:
            self._light.restore()  # first: closing a store may take its time
            if self.error is not None or self._ending()[0] != "complete":
                stop_camera(getattr(self._engine, "mmcore", None))
            self._close(None)
            self._leave()  # before the runner says that it finished: a slot may start a run
            return original(sequence)

        return teardown_sequence

    def _close(self, error: BaseException | None) -> None:
        """End every sink; keep the first error for `run` to raise."""
        error = self.error or error
        status, reason = self._ending()
        if isinstance(error, KeyboardInterrupt):
            status, reason = "canceled", "KeyboardInterrupt"
        elif error is not None:
            status, reason = "failed", str(error) or repr(error)
        for sink in self._sinks:
            try:
                sink.close(status, reason)
            except Exception as failure:  # raised by Installation.run, after the stage is back
                self.close_error = self.close_error or failure

    def _noting(self) -> _Noting:
        return _Noting(self)


class _Noting:
    """Remembers an error on its way out; swallows nothing."""

    def __init__(self, listener: EngineListener) -> None:
        self._listener = listener

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, (Exception, KeyboardInterrupt)) and self._listener.error is None:
            self._listener.error = error


def _frames_of(event: Any) -> Sequence[Any]:
    """Return the events in an event that acquire a frame; it may be a hardware sequence."""
    return [
        part
        for part in getattr(event, "events", (event,))
        if isinstance(part.action, useq.AcquireImage)
    ]


def _standing_stage(engine: Any, burst: Any) -> dict[str, float]:
    """Return where the axes stand that a burst does not move; its frames do not have it."""
    core, stage = getattr(engine, "mmcore", None), {}
    try:
        if core is not None and core.getXYStageDevice() and not burst.x_sequence:
            stage["x"], stage["y"] = core.getXYPosition()
        if core is not None and core.getFocusDevice() and not burst.z_sequence:
            stage["z"] = core.getZPosition()
    except Exception as error:  # it is only metadata
        logger.warning("The stage position of a burst is not known: %s", error)
    return stage


def _advance_of(payloads: Iterator[Any]) -> Callable[[Any], Any]:
    """Return what fetches the next payload; a generator is sent the runner's signal."""
    if isinstance(payloads, GeneratorType):
        return payloads.send
    return lambda _: next(payloads)


def _stop(payloads: Iterator[Any]) -> None:
    """Ask an engine's generator to stop its camera, as the runner does on cancel."""
    if isinstance(payloads, GeneratorType):
        try:
            payloads.send("cancel")
            payloads.close()
        except StopIteration:
            return
        except Exception as error:  # the error that stops the run is raised by the caller
            logger.warning("The engine could not be stopped cleanly: %s", error)
