"""`CoreSignals`: the signals of a core, delivered in the window's thread, but for frames.

Frames are passed to a `NewestFrame` in the acquisition's thread. In Qt's queue, they would
accumulate without bound while the window is busy.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from typing import Any, Final

import useq
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus
from qtpy.QtCore import QObject, Qt, Signal

from pymmcore_ome.errors import AcquisitionError

from .newest_frame import NewestFrame
from .planned_run import ImageInfos, image_infos_of

logger = logging.getLogger("pymmcore-ome")
_CAMERA_SIGNALS: Final = ("roiSet", "exposureChanged", "systemConfigurationLoaded")


class CoreSignals(QObject):
    """Listens to a core until it is destroyed.

    Parameters
    ----------
    core : CMMCorePlus
        Created after the QApplication, so that its signals are Qt's.
    newest : NewestFrame
        Receives every frame, in the acquisition's thread.
    parent : QObject, optional

    Raises
    ------
    AcquisitionError
        When the core was created before the QApplication: its signals would be emitted in the
        acquisition's thread, where widgets must not be used.
    """

    started = Signal()
    finished = Signal()
    cameraChanged = Signal()

    def __init__(
        self, core: CMMCorePlus, newest: NewestFrame, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._core = core
        self._image_infos: ImageInfos | None = None
        runner: Any = core.mda.events
        is_of_qt: bool = isinstance(runner, QObject)
        if not is_of_qt:
            raise AcquisitionError(
                "This CMMCorePlus was created before the QApplication, so its signals are emitted "
                "in the wrong thread for a window. Create the QApplication first, then the core."
            )
        runner.sequenceStarted.connect(self._on_started)
        runner.sequenceFinished.connect(self._on_finished)
        core.events.propertyChanged.connect(self._on_property)
        for name in _CAMERA_SIGNALS:
            getattr(core.events, name).connect(self._on_camera)
        # Qt removes these connections itself, because they are methods of a QObject
        _tap_of(core).feed(newest)

    def image_infos(self) -> ImageInfos:
        """Return `image_infos_of` the core, updated only when a camera has changed."""
        if self._image_infos is None:
            self._image_infos = image_infos_of(self._core)
        return self._image_infos

    def _on_started(self, *_: object) -> None:
        self.started.emit()

    def _on_finished(self, *_: object) -> None:
        self.finished.emit()

    def _on_camera(self, *_: object) -> None:
        self._image_infos = None
        self.cameraChanged.emit()

    def _on_property(self, device: str, name: str, value: object) -> None:
        if name in ("Binning", "PixelType", "BitDepth") or (
            (device, name) == ("Core", "Camera") and self._is_another_camera()
        ):
            self._on_camera()

    def _is_another_camera(self) -> bool:
        """Whether the active camera is another one; `image_infos_of` activates each in turn."""
        infos = self._image_infos
        return not infos or infos[0]["camera_label"] != self._core.getCameraDevice()


class _FrameTap:
    """Passes the frames of one core to every `NewestFrame`, in the acquisition's thread.

    It is connected once for each core and never disconnected: PyQt6 crashes if one thread
    disconnects a slot while another thread calls it.
    """

    def __init__(self, core: CMMCorePlus) -> None:
        self._fed: tuple[weakref.ref[NewestFrame], ...] = ()
        frames: Any = core.mda.events.frameReady
        frames.connect(self._put, Qt.ConnectionType.DirectConnection)

    def feed(self, newest: NewestFrame) -> None:
        """Pass frames to one more, as long as it exists."""
        self._fed = (*(fed for fed in self._fed if fed() is not None), weakref.ref(newest))

    def _put(self, pixels: NDArray[Any], event: useq.MDAEvent, meta: Mapping[str, Any]) -> None:
        for fed in self._fed:
            try:
                if (newest := fed()) is not None:
                    newest.put(pixels, event, meta)
            except Exception:  # a picture must not stop an acquisition
                logger.exception("Cannot show the newest frame")


_taps: weakref.WeakKeyDictionary[Any, _FrameTap] = weakref.WeakKeyDictionary()


def _tap_of(core: CMMCorePlus) -> _FrameTap:
    runner: Any = core.mda
    if runner not in _taps:
        _taps[runner] = _FrameTap(core)
    return _taps[runner]
