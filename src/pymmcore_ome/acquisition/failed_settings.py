"""`FailedSettings`: which settings the core refused while an engine set an event up.

The engine of pymmcore-plus logs what the core refuses (a stage that does not move, a channel
that cannot be set), and acquires the frame anyway. It changes neither: every call goes
through as it is, and every error is raised as before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial, wraps
from typing import Any, Final

from .engine_methods import ACQUIRES, SETS_UP_EVENTS, is_standard, replaced
from .readiness import lacking_devices

#: What the engine calls, and whose errors it only logs.
_SETTERS: Final = (
    "setConfig", "setExposure", "setProperty", "setPosition", "setXYPosition", "setROI",
    "setSLMImage", "setSLMPixelsTo", "setSLMExposure", "displaySLMImage", "setAutoFocusOffset",
    "fullFocus",
)  # fmt: skip


class FailedSettings:
    """Records, for one run, the settings that the core of a standard engine refuses: a stage that
    does not move, a channel that cannot be set. Records none of another engine.

    It shadows the core's setters on the instance, between `attach` and `detach`.

    Parameters
    ----------
    engine
        Not shadowed yet.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine if is_standard(engine, SETS_UP_EVENTS) else None
        self._shadows = ExitStack()
        self._failed: dict[tuple[Any, ...], str] | None = None
        self._thread = 0
        self._depth = 0
        self._half_set: str | None = None  # a channel that failed, of which a part may be set
        #: Of a position, whose properties are set for its first event alone: place and reason.
        self._of_position: dict[tuple[Any, ...], tuple[int, str]] = {}

    @property
    def core(self) -> Any:
        """The core of a standard engine, or None. Not kept: it may be gone after the run."""
        return None if self._engine is None else self._engine.mmcore

    def attach(self) -> None:
        """Shadow the core's setters."""
        for name in _SETTERS if self.core is not None else ():
            original = getattr(self.core, name, None)
            if original is not None:
                shadow = self._recorded(name, original)
                self._shadows.enter_context(replaced(self.core, name, shadow))

    def detach(self) -> None:
        """Take the shadows away; harmless when that was done before."""
        self._shadows.close()

    def collecting(self, event: Any = None) -> _Collecting:
        """Return a block that collects the settings refused in it, in this thread.

        Parameters
        ----------
        event : MDAEvent, optional
            What is set up in it: settings of devices that are not there count, too.
        """
        return _Collecting(self, event)

    def begin(self) -> None:
        """Start an empty list for this thread."""
        self._failed, self._thread, self._depth = {}, threading.get_ident(), 0

    def end(self) -> list[str]:
        """Return the settings refused since `begin`, and not applied later."""
        failed, self._failed = self._failed or {}, None
        return list(failed.values())

    def unset_properties(self, event: Any) -> list[str]:
        """Return which properties were refused at the position of an event, at an earlier one."""
        failed = self._failed or {}
        position = event.index.get("p")
        if position is None:
            return []
        earlier = [
            f"not set since: {reason}"
            for asked, (at, reason) in self._of_position.items()
            if at == position and asked not in failed
        ]
        for asked, reason in failed.items():
            if asked[0] == "setProperty":
                self._of_position[asked] = position, reason
        return earlier

    def stale_channel(self, event: Any) -> str | None:
        """Return why an event's channel is in doubt though nothing was refused.

        The engine does not set a channel again that it set last, also where another one failed
        since then (pymmcore-plus 0.18, `MDAEngine._set_event_channel`).
        """
        if event.channel is None or self._half_set is None:
            return None
        if any(name == "setConfig" for name, *_ in self._failed or {}):
            return None
        return f"channel {event.channel.config!r} was not set again after {self._half_set}"

    def _recorded(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(*values: Any, **options: Any) -> Any:
            failed = self._failed
            if failed is None or self._depth or threading.get_ident() != self._thread:
                return original(*values, **options)
            asked = (name, *(value for value in values if isinstance(value, str)))
            self._depth += 1
            try:
                result = original(*values, **options)
            except Exception as error:
                failed[asked] = f"{name}({_shown(values)}) failed: {error}"
                if name == "setConfig" and self.core.isConfigDefined(*values):
                    self._half_set = failed[asked]
                raise
            finally:
                self._depth -= 1
            failed.pop(asked, None)  # the engine tries some things again
            if name == "setProperty":
                for earlier in [one for one in self._of_position if one[:3] == asked[:3]]:
                    del self._of_position[earlier]
            if name == "setConfig":
                self._half_set = None
            return result

        return call


class _Collecting:
    """The settings refused in a block; every error is raised as before."""

    def __init__(self, settings: FailedSettings, event: Any) -> None:
        self._settings = settings
        self._event = event
        self._unapplied_settings: list[str] = []

    def __enter__(self) -> list[str]:
        if self._settings.core is not None:
            self._settings.begin()
        return self._unapplied_settings

    def __exit__(self, *_: object) -> None:
        if self._settings.core is not None:
            if self._event is not None:
                self._unapplied_settings += lacking_devices(self._settings.core, self._event)
                self._unapplied_settings += filter(
                    None, [self._settings.stale_channel(self._event)]
                )
                self._unapplied_settings += self._settings.unset_properties(self._event)
            self._unapplied_settings += self._settings.end()


def _shown(values: tuple[Any, ...]) -> str:
    plain = (value if isinstance(value, (str, int, float)) else type(value) for value in values)
    return ", ".join(f"{value!r:.40}" for value in plain)


def whole_bursts(engine: Any) -> Callable[[], AbstractContextManager[object]]:
    """Return what makes blocks in which a camera runs for as long as it has frames.

    Parameters
    ----------
    engine : PMDAEngine
        Not shadowed yet. Left alone if it acquires in its own way.
    """
    return partial(_running_with_frames, engine) if is_standard(engine, ACQUIRES) else nullcontext


def _running_with_frames(engine: Any) -> AbstractContextManager[object]:
    core = engine.mmcore
    is_running = core.isSequenceRunning

    def has_frames_or_runs(*camera: str) -> bool:
        # in this order: what has stopped brings no more
        return bool(is_running(*camera)) or (not camera and core.getRemainingImageCount() > 0)

    return replaced(core, "isSequenceRunning", has_frames_or_runs)
