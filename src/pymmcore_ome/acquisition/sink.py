"""`Sink`: one run of an acquisition on its way into one store.

It is told what the engine does (set up, frame, skip, end) by whoever listens to the engine,
and needs no engine, runner or signal itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import useq
from numpy.typing import NDArray

from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.metadata import Status
from pymmcore_ome.stream import Stream, Summary, open_stream

from .microscope import acquisition_notes, cameras_of, frame_metadata, pixel_size_of
from .useq_schema import schema_from_useq

if TYPE_CHECKING:
    from .output import Output


class Sink:
    """Writes one run to one store, by the options of an `Output`."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stream: Stream | None = None
        self.summary: Summary | None = None

    @property
    def stream(self) -> Stream | None:
        """The open stream, from set-up on."""
        return self._stream

    def setup(self, sequence: useq.MDASequence, summary: Mapping[str, Any] | None) -> None:
        """Make the store. Called after the engine's own set-up, before anything moves.

        Raises
        ------
        PymmcoreOmeError
            When the sequence, the camera or the path cannot be used.
        """
        schema = schema_from_useq(
            sequence,
            cameras=cameras_of(summary),
            pixel_size_um=pixel_size_of(summary),
            is_set_up=True,
        )
        self._stream = open_stream(
            self._output.path,
            schema,
            acquisition=acquisition_notes(sequence, summary),
            **self._output.stream_options(),
        )

    def append(self, image: NDArray[Any], event: useq.MDAEvent, meta: Mapping[str, Any]) -> None:
        """Store a frame at its event's index. The array is taken over, not copied."""
        if self._stream is None:
            raise AcquisitionError("A frame came before the sequence was set up.")
        self._stream.append(image, at=event.index, metadata=frame_metadata(event, meta), copy=False)

    def skip(self, frames: int) -> None:
        """Note frames that will not come; their places stay empty and nothing shifts."""
        if self._stream is not None:
            self._stream.skip(frames)

    def close(self, status: Status = "complete", reason: str | None = None) -> None:
        """End the store. Harmless before set-up and after the first call.

        Raises
        ------
        WriteError
            When anything did not reach the disk.
        """
        if self._stream is None or self.summary is not None:
            return
        self.summary = self._stream.close(status=status, reason=reason)

    @property
    def is_open(self) -> bool:
        """Whether frames can still come."""
        return self._stream is not None and self.summary is None
