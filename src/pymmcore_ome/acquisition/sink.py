"""`Sink`: one run of an acquisition on its way into one store.

A listener notifies it of what the engine does (set up, frame, skip, end),
and needs no engine, runner or signal itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import useq
from numpy.typing import NDArray

from pymmcore_ome.errors import AcquisitionError, FrameError, RepeatedFrameError, ResumeError
from pymmcore_ome.frames import NOT_AS_ASKED
from pymmcore_ome.metadata import Status, StoreRecord
from pymmcore_ome.schema import StorageSchema
from pymmcore_ome.stream import ArrayView, JoinedView, Stream, Summary

from .cameras_in_use import CamerasInUse, cameras_in_use
from .destination import Destination
from .free_run import FreeRun
from .microscope import (
    NO_FACTS,
    CoreFacts,
    acquisition_notes,
    frame_metadata,
    instrument_of,
    pixel_size_of,
)
from .readiness import HOW_TO_RUN_IT, unready
from .resumption import sequence_differences, unseeded_points
from .useq.fields import UnappliedFields
from .useq.schema import schema_from_useq


class Sink:
    """Writes one run to one store.

    Parameters
    ----------
    destination : Destination
    events : iterable, optional
        Those of a run without a sequence. Only a list is looked at.
    """

    def __init__(self, destination: Destination, events: object = None) -> None:
        self._destination = destination
        self._events = events if isinstance(events, (list, tuple)) else None
        self._stream: Stream | None = None
        self._free_run: FreeRun | None = None
        self._in_use = CamerasInUse([], [], None)
        self._cameras: list[str] = []
        self._fields: UnappliedFields | None = None
        self._sequence: useq.MDASequence | None = None
        self._annotations = StoreRecord("", {})
        self._notes: dict[str, Any] = {}
        self._unapplied_settings = UnappliedSettings(destination.path)
        self.summary: Summary | None = None
        self.view: ArrayView | None = None  # of all images; from set-up on

    @property
    def stream(self) -> Stream | None:
        """The open stream, from set-up on (without a plan: from the first frame on)."""
        return self._stream

    def setup(
        self,
        sequence: useq.MDASequence,
        summary: Mapping[str, Any] | None,
        facts: CoreFacts = NO_FACTS,
        unapplied_settings: Sequence[str] = (),
    ) -> None:
        """Make the store. Called after the engine's own set-up, before anything moves.

        A run from an iterator has no plan: its store is made when the first frame arrives.

        Parameters
        ----------
        sequence : useq.MDASequence
        summary : mapping or None
            What the engine's set-up returned.
        facts : CoreFacts
            What the core knows of its cameras.
        unapplied_settings : sequence of str
            What the core refused in the engine's set-up.

        Raises
        ------
        PymmcoreOmeError
            When the sequence, the camera or the path cannot be used.
        """
        if unapplied_settings and self._destination.unready == "refuse":
            raise unready(
                unapplied_settings, "No frame was acquired, nothing was created.", *HOW_TO_RUN_IT
            )
        self.note(unapplied_settings)
        if self._stream is not None or self._free_run is not None:
            raise AcquisitionError(
                f"Another run was started while {self._destination.path} is still being written. "
                "Start it when the first run has finished."
            )
        self._notes = acquisition_notes(sequence, summary)
        self._sequence = sequence
        schema = self.plan(sequence, summary, facts)
        if self._destination.resumes:
            self._check_resumable(sequence, schema)
        self._fields = UnappliedFields(sequence) if facts.is_standard else None
        if self._free_run is not None:
            self._destination.check()
            self.view = self._free_run.view()
        elif schema is not None:
            self._open(schema)

    def plan(
        self,
        sequence: useq.MDASequence,
        summary: Mapping[str, Any] | None,
        facts: CoreFacts = NO_FACTS,
    ) -> StorageSchema | None:
        """Return what a run will store, and get ready for its frames; None without a plan.

        The sequence is walked where it is no loop nest, so it must be set up, or a copy.

        Raises
        ------
        PymmcoreOmeError
            When the sequence or the camera cannot be used.
        """
        has_plan = not _has_no_plan(sequence)
        if self._destination.cameras:
            names = [camera.name for camera in self._destination.cameras]
            in_use = CamerasInUse(list(self._destination.cameras), names, pixel_size_of(summary))
        else:
            in_use = cameras_in_use(sequence if has_plan else self._events, summary, facts)
        self._in_use = in_use
        self._cameras = [camera.name for camera in in_use.cameras]
        instrument = instrument_of(summary, in_use.labels, in_use.objectives)
        if not has_plan:
            self._free_run = FreeRun(in_use, instrument)
            return None
        return schema_from_useq(
            sequence,
            cameras=in_use.cameras,
            pixel_size_um=in_use.pixel_size_um,
            instrument=instrument,
            is_set_up=True,
            by_event=in_use.by_event,
            presets=in_use.presets,
        )

    @property
    def frames_per_event(self) -> int:
        """Frames that every event delivers: one a camera, unless the cameras take turns."""
        return 1 if self._in_use.one_each else max(1, len(self._cameras))

    def append(
        self,
        image: NDArray[Any],
        event: useq.MDAEvent,
        meta: Mapping[str, Any],
        unapplied_settings: Sequence[str] = (),
    ) -> None:
        """Store a frame at its event's index, with the settings that could not be applied.

        The array is taken over, not copied, and made read-only: a slot that works on it in
        place would change what is stored.
        """
        image.setflags(write=False)
        metadata = frame_metadata(event, meta)
        label = meta.get("camera_device")
        if self.frames_per_event > 1 and "cam" not in event.index and label in self._cameras:
            # pymmcore-plus before 0.18 does not number the frames that it snaps
            event = event.model_copy(
                update={"index": {**event.index, "cam": self._cameras.index(label)}}
            )
        if self._free_run is not None and self._stream is None:
            size_um = meta.get("pixel_size_um")
            self._in_use = self._free_run.begin(image, size_um)
            self._open(self._free_run.schema(event))
        if self._stream is None:
            raise AcquisitionError("A frame arrived before the sequence was set up.")
        at = self._place(event, image, meta)
        if self._stream.is_resumed:
            if self.frames_per_event > 1 and self._stream.held_before(at):
                return  # of an event with several cameras, of which one frame was missing
            if metadata["delta_t_s"] is not None:
                metadata["delta_t_s"] += self._stream.resumed_after_s
        if at is not event.index:
            metadata["event_index"] = dict(event.index)
        unapplied_settings = [*unapplied_settings, *self._wrong_scale(event, at, meta)]
        if self._fields is not None:
            unapplied_settings += self._fields.of_frame(event, label)
        if unapplied_settings:
            metadata[NOT_AS_ASKED] = unapplied_settings
        try:
            self._store(image, at, metadata)
        except FrameError as error:
            raise FrameError(f"{error} It came from camera {label!r}.") from error
        self._unapplied_settings.add(unapplied_settings, frames=1)

    @property
    def is_resumed(self) -> bool:
        """Whether the run goes on with a store that was there before; from set-up on."""
        return self._stream is not None and self._stream.is_resumed

    def holds(self, event: useq.MDAEvent, repeat: int = 0) -> bool:
        """Whether the store has every frame of an event.

        Parameters
        ----------
        event : MDAEvent
        repeat : int
            How often its index was before.
        """
        stream, index = self._stream, event.index
        if stream is None:
            return False
        if self._in_use.by_event is not None:
            return stream.holds(self._in_use.by_event.at(index), repeat)
        if self.frames_per_event == 1 or "cam" in index:
            return stream.holds(index, repeat)
        return all(
            stream.holds({**index, "cam": camera}, repeat)
            for camera in range(self.frames_per_event)
        )

    @property
    def has_repeats(self) -> bool:
        """Whether the plan has an index several times."""
        return self._stream is not None and any(
            spec.repeats > 1 for spec in self._stream.layout.specs
        )

    @property
    def runs_actions(self) -> bool:
        """Whether custom actions run in a resumed run."""
        return self._destination.resume_actions == "run"

    def _check_resumable(self, sequence: useq.MDASequence, schema: StorageSchema | None) -> None:
        """Refuse a run that does not show which of its frames a store has.

        Raises
        ------
        ResumeError
        """
        if schema is None:
            reason = "events without a plan, such as an iterator, do not show which are missing"
        elif self.frames_per_event > 1 and any(
            spec.repeats > 1 for spec in self._destination.plan(schema).layout.specs
        ):
            reason = "indices that repeat, with several cameras, do not show which are missing"
        elif unseeded_points(sequence):
            reason = "random points without a random_seed are other points in each run"
        else:
            return
        raise ResumeError(
            f"{self._destination.path} cannot be resumed: {reason}. Choose another path."
        )

    def _differences(self, acquisition: Mapping[str, Any]) -> list[str]:
        if self._sequence is None:
            return []
        return sequence_differences(acquisition.get("sequence"), self._sequence)

    def _place(
        self, event: useq.MDAEvent, image: NDArray[Any], meta: Mapping[str, Any]
    ) -> Mapping[str, int]:
        """Return where a frame goes: the event's own index, or that of its camera's image."""
        label = meta.get("camera_device")
        if self._free_run is not None:
            at = self._free_run.at(event, image, label, meta.get("pixel_size_um"))
            for variant in self._free_run.new_variants():
                assert self._stream is not None
                self._stream.add_variant(variant)
            return at
        if self._in_use.by_event is not None:
            return self._in_use.by_event.at(event.index, label)
        return event.index

    def _store(self, image: NDArray[Any], at: Mapping[str, int], metadata: dict[str, Any]) -> None:
        """Hand a frame to the stream; without a plan, a repeated index loses no frame."""
        assert self._stream is not None
        try:
            self._stream.append(image, at=at, metadata=metadata, copy=False)
        except RepeatedFrameError:
            if self._free_run is None:
                raise
            retake = self._free_run.retake_of(at)
            metadata |= {"event_index": metadata.get("event_index", dict(at)), "retake": True}
            self._stream.append(image, at=retake, metadata=metadata, copy=False)

    def _wrong_scale(
        self, event: useq.MDAEvent, at: Mapping[str, int], meta: Mapping[str, Any]
    ) -> list[str]:
        """Return why the scale of a frame's image is not that of the frame, if it is not."""
        measured = meta.get("pixel_size_um")
        if measured is None or self._destination.cameras:
            return []
        planned = self._in_use.by_event and self._in_use.by_event.planned(event.index)
        cameras = self._in_use.cameras if self._free_run is None else self._free_run.cameras
        camera = planned or cameras[min(at.get("cam", 0), len(cameras) - 1)]
        scale = camera.pixel_size_um or self._in_use.pixel_size_um
        if not scale or math.isclose(scale, measured, rel_tol=1e-6):
            return []
        own = f"{measured:.6g} um" if measured else "not known"
        return [f"the pixel size was {own}; the scale of the image is {scale:.6g} um"]

    def annotate(self, namespace: str, mapping: Mapping[str, Any]) -> None:
        """Add metadata of a user's own to the store."""
        if self._stream is not None:
            self._stream.annotate(namespace, mapping)
        else:
            self._annotations = self._annotations.annotated(namespace, mapping)

    def note(self, unapplied_settings: Sequence[str]) -> None:
        """Note settings that could not be applied, of no frame in particular."""
        self._unapplied_settings.add(unapplied_settings)

    def skip(self, event: useq.MDAEvent) -> None:
        """Note that an event's frames are missing; their places stay empty, nothing shifts.

        Of one camera where the event's index names it, else of all.
        """
        if self._stream is None or self._free_run is not None:
            return
        if self._in_use.by_event is not None:
            self._stream.skip(at=self._in_use.by_event.at(event.index))
        elif self.frames_per_event == 1 or "cam" in event.index:
            self._stream.skip(at=event.index)
        else:
            for camera in range(self.frames_per_event):
                self._stream.skip(at={**event.index, "cam": camera})

    def close(self, status: Status = "complete", reason: str | None = None) -> None:
        """End the store. Harmless before set-up and after the first call.

        Raises
        ------
        WriteError
            When anything did not reach the disk.
        """
        if self.summary is not None:
            return
        if self._stream is None and self._free_run is not None and status != "failed":
            self._open(self._free_run.schema(None))
        if self._stream is not None:
            reasons = filter(None, (reason, self._unapplied_settings.reason))
            self.summary = self._stream.close(status=status, reason="; ".join(reasons) or None)

    @property
    def is_open(self) -> bool:
        """Whether frames can still arrive."""
        is_set_up = self._stream is not None or self._free_run is not None
        return is_set_up and self.summary is None

    def _open(self, schema: StorageSchema) -> None:
        self._stream = self._destination.open(schema, self._notes, self._differences)
        for namespace, mapping in self._annotations.annotations.items():
            self._stream.annotate(namespace, mapping)
        if isinstance(self.view, JoinedView):
            self._stream.show_in(self.view)
        else:
            has_positions = bool(self._stream.layout.selectors)
            self.view = self._stream.view(None if has_positions else 0)


def _has_no_plan(sequence: useq.MDASequence) -> bool:
    """Whether the runner was given an iterator: it stands in a sequence of its own kind."""
    return type(sequence).__name__ == "GeneratorMDASequence"


logger = logging.getLogger("pymmcore-ome")
_MOST_LOGGED: Final = 10


class UnappliedSettings:
    """The settings of one run that could not be applied.

    Parameters
    ----------
    path : Path
        Of the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._settings: dict[str, None] = {}
        self._frames = 0

    def add(self, settings: Sequence[str], frames: int = 0) -> None:
        """Note settings, of so many frames."""
        if not settings:
            return
        self._frames += frames
        for setting in settings:
            if setting in self._settings or len(self._settings) >= _MOST_LOGGED:
                continue
            self._settings[setting] = None
            last = " (any others are only in the frame table)"
            is_last = len(self._settings) == _MOST_LOGGED
            logger.warning("%s: %s%s", self._path, setting, last if is_last else "")

    @property
    def reason(self) -> str | None:
        """What to write into the store's status; None when every setting was applied."""
        if not self._settings:
            return None
        first, *others = self._settings
        more = f" (and {len(others)} more)" if others else ""
        if not self._frames:
            return f"{first}{more}"
        were = "1 frame was" if self._frames == 1 else f"{self._frames} frames were"
        return (
            f"{were} acquired with settings that could not be applied "
            f"(see {NOT_AS_ASKED} in the frame table): {first}{more}"
        )
