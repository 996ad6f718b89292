"""`RunViewer`: every frame of a run, while it is acquired and after, over `Output.view`.

Another thread reads and mixes the channels; this one paints the result. If frames arrive faster
than they can be shown, some are not shown; the acquisition never waits for a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor, log10
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRect, QRectF, QSize, Qt, QTimer
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from pymmcore_ome.layout import ImageLayout
from pymmcore_ome.metadata import channel_colors
from pymmcore_ome.stream import ArrayView

from .guard import Background, guarded
from .newest_frame import contrast_of

_REFRESH_MS: Final = 60
_BINS: Final = 64
_SAMPLE: Final = 128  # pixels along each side that the histogram counts
_UNITS: Final = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}
_AXES: Final = {"p": "Position", "t": "Time", "z": "Plane"}


@dataclass(frozen=True)
class ChannelLook:
    """How a channel is displayed.

    Attributes
    ----------
    color : str
        ``"#rrggbb"``.
    window : (float, float) | None
        Pixel values shown as black and in full color; None: not known before the first frame.
    is_shown : bool
    """

    color: str = "#ffffff"
    window: tuple[float, float] | None = None
    is_shown: bool = True


@dataclass(frozen=True)
class PictureRequest:
    """What is to be read and mixed.

    Attributes
    ----------
    view : ArrayView
    place : mapping of str to int
        The index on each axis but c, y, and x.
    looks : mapping of int to ChannelLook
        By channel index; those that are not shown are not read.
    width, height : int
        Of the widget in pixels: larger frames are subsampled.
    """

    view: ArrayView
    place: Mapping[str, int]
    looks: Mapping[int, ChannelLook]
    width: int
    height: int


class Picture(NamedTuple):
    """A mixed picture.

    Attributes
    ----------
    rgb : array of uint8, (height, width, 3)
    step : int
        Pixels of the frame for each of the picture.
    planes : dict of int to array
        The pixels of each channel, subsampled.
    windows : dict of int to (float, float)
    histograms : dict of int to (array of bins, lowest value, highest value)
    missing : int
        How many of the channels that are shown are not acquired at this place.
    """

    rgb: NDArray[np.uint8]
    step: int
    planes: dict[int, NDArray[Any]]
    windows: dict[int, tuple[float, float]]
    histograms: dict[int, tuple[NDArray[np.int64], float, float]]
    missing: int


def picture_of(request: PictureRequest) -> Picture:
    """Read and mix a picture. May wait for a disk: call it in a thread of its own.

    Raises
    ------
    PymmcoreOmeError
        When the store cannot be read.
    """
    view, sizes = request.view, request.view.sizes
    height, width = sizes["y"], sizes["x"]
    step = max(1, min(height // max(1, request.height), width // max(1, request.width)))
    shown = slice(None, None, step)
    planes: dict[int, NDArray[Any]] = {}
    missing = 0
    for channel in _shown(request.looks):
        index = index_of(view, request.place, channel)
        if view.is_acquired(index):
            planes[channel] = view[(*index, shown, shown)]
        else:
            missing += 1
    shape = next((plane.shape for plane in planes.values()), (height // step, width // step))
    windows, histograms = {}, {}
    mixed = np.zeros((*shape, 3), np.float32)
    for channel, plane in planes.items():
        look = request.looks[channel]
        window = look.window
        if window is None and plane.any():  # a blank first frame says nothing about contrast
            window = contrast_of(plane)
        if window is not None:
            windows[channel] = window
        low, high = window or (0.0, 1.0)
        gray = (plane.astype(np.float32) - low) * np.float32(1 / max(high - low, 1e-9))
        np.clip(gray, 0, 1, out=gray)
        color = QColor(look.color)
        for band, value in enumerate((color.red(), color.green(), color.blue())):
            if value:
                mixed[..., band] += gray * value
        histograms[channel] = _histogram(plane)
    rgb = np.ascontiguousarray(mixed.clip(0, 255).astype(np.uint8))
    return Picture(rgb, step, planes, windows, histograms, missing)


def index_of(view: ArrayView, place: Mapping[str, int], channel: int) -> tuple[int, ...]:
    """Return the index of a channel at a place, without y and x, within the view."""
    at, sizes = {**place, "c": channel}, view.sizes
    return tuple(min(at.get(name, 0), sizes[name] - 1) for name in view.dims[:-2])


def _shown(looks: Mapping[int, ChannelLook]) -> list[int]:
    return [channel for channel, look in looks.items() if look.is_shown]


def _histogram(plane: NDArray[Any]) -> tuple[NDArray[np.int64], float, float]:
    steps = tuple(max(1, size // _SAMPLE) for size in plane.shape)
    sample = plane[:: steps[0], :: steps[1]]
    counts, edges = np.histogram(sample, _BINS)
    return counts.astype(np.int64), float(edges[0]), float(edges[-1])


def bar_length(width_px: int, pixel_size: float) -> tuple[float, float]:
    """Return the length of a scale bar as (units, pixels): 1, 2, or 5 times a power of ten.

    Parameters
    ----------
    width_px : int
        Of the frame; the bar is at most a quarter of it.
    pixel_size : float
        Units of a pixel.

    Examples
    --------
    >>> bar_length(512, 0.5)
    (50.0, 100.0)
    """
    most = width_px * pixel_size / 4
    power = 10.0 ** floor(log10(most))
    length = next(step * power for step in (5, 2, 1) if step * power <= most * (1 + 1e-9))
    return length, length / pixel_size


class _Canvas(QWidget):
    """Paints a picture as large as it fits, with a scale bar."""

    def __init__(self) -> None:
        super().__init__()
        self.image: QImage | None = None
        self.bar: tuple[str, float] | None = None  # the text, and the share of the width
        self.setMinimumSize(120, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Acquired image")

    def sizeHint(self) -> QSize:
        return QSize(420, 420)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if self.image is not None and not self.image.isNull():
            size = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            box = QRect(
                (self.width() - size.width()) // 2, (self.height() - size.height()) // 2,
                size.width(), size.height(),
            )  # fmt: skip
            painter.drawImage(box, self.image)
            if self.bar is not None:
                text, share = self.bar
                length = share * box.width()
                bar = QRectF(box.right() - 12 - length, box.bottom() - 16, length, 4)
                painter.fillRect(bar.adjusted(-1, -1, 1, 1), Qt.GlobalColor.black)
                painter.fillRect(bar, Qt.GlobalColor.white)
                above = QRectF(bar.center().x() - 60, bar.top() - 18, 120, 16)
                for shift, color in ((1, Qt.GlobalColor.black), (0, Qt.GlobalColor.white)):
                    painter.setPen(color)
                    painter.drawText(
                        above.translated(shift, shift), Qt.AlignmentFlag.AlignCenter, text
                    )
        painter.end()


class Histogram(QWidget):
    """Paints the pixel values of the channels, each in its color, with its contrast window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curves: list[tuple[QColor, NDArray[np.int64], float, float, Any]] = []
        self.setFixedHeight(48)
        self.setAccessibleName("Histogram of the displayed channels")

    def show_picture(self, picture: Picture, looks: Mapping[int, ChannelLook]) -> None:
        """Show the histograms of a picture."""
        self._curves = [
            (QColor(looks[channel].color), *histogram, picture.windows.get(channel))
            for channel, histogram in picture.histograms.items()
            if channel in looks
        ]
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#101010"))
        lowest = min((curve[2] for curve in self._curves), default=0.0)
        highest = max((curve[3] for curve in self._curves), default=1.0)
        scale = (self.width() - 4) / max(highest - lowest, 1e-9)
        bottom, room = self.height() - 2, self.height() - 6
        for color, counts, low, high, window in self._curves:
            heights = np.log1p(counts) / max(float(np.log1p(counts).max()), 1e-9) * room
            at = 2 + (np.linspace(low, high, len(counts)) - lowest) * scale
            painter.setPen(QPen(color, 1.2))
            painter.drawPolyline(
                QPolygonF(
                    [
                        QPointF(x, bottom - y)
                        for x, y in zip(at.tolist(), heights.tolist(), strict=True)
                    ]
                )
            )
            if window is not None:
                painter.setPen(QPen(color, 1, Qt.PenStyle.DashLine))
                for value in window:
                    x = 2 + (value - lowest) * scale
                    painter.drawLine(QPointF(x, 0), QPointF(x, bottom))
        painter.end()


class _ChannelRow(NamedTuple):
    """The widgets of a channel."""

    shown: QCheckBox
    color: QToolButton
    low: QDoubleSpinBox
    high: QDoubleSpinBox


class RunViewer(QWidget):
    """Shows any frame of a run, with a slider for each axis and a look for each channel.

    With *Follow newest*, it shows the newest frame; moving a slider stops this. Contrast is set
    by the first frame of a channel that is not blank, and kept. Use it in the main thread.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.looks: dict[str, ChannelLook] = {}  # by the name of the channel, kept between runs
        self._view: ArrayView | None = None
        self._channels: list[str] = []
        self._place: dict[str, int] = {}
        self._planes: dict[int, NDArray[Any]] = {}
        self._newest: tuple[int, Any] = (0, None)
        self._is_outdated = False
        self._latest: dict[str, int] = {}  # where the newest frame is
        self._is_partial = False
        self._reading = Background(self)
        self._reading.done.connect(self._on_picture)
        self._reading.failed.connect(self.report)
        self._timer = QTimer(self)
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        self.canvas, self.histogram = _Canvas(), Histogram()
        self.follow = QCheckBox("Follow newest")
        self.follow.setChecked(True)
        self.follow.setToolTip("Show the newest frame. Moving a slider stops this.")
        self.auto = QPushButton("Auto contrast")
        self.auto.setToolTip("Fit the contrast of all channels to this frame.")
        self._label = QLabel("No run yet")
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self.sliders: dict[str, QSlider] = {}
        self._values: dict[str, QLabel] = {}
        self.rows: dict[str, _ChannelRow] = {}
        self._axes, self._looks = QGridLayout(), QGridLayout()
        self._axes.setColumnStretch(1, 1)
        self._looks.setColumnStretch(0, 1)
        line = QHBoxLayout()
        line.addWidget(self.follow)
        line.addStretch(1)
        line.addWidget(self.auto)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.canvas, 1)
        column.addWidget(self._label)
        column.addLayout(self._axes)
        column.addLayout(line)
        column.addLayout(self._looks)
        column.addWidget(self.histogram)
        self.follow.toggled.connect(self._on_follow)
        self.auto.clicked.connect(self._on_auto)

    @property
    def view(self) -> ArrayView | None:
        """The run that is displayed."""
        return self._view

    @property
    def place(self) -> dict[str, int]:
        """The displayed index on each axis but c, y, and x."""
        return dict(self._place)

    @property
    def caption(self) -> str:
        """The text under the picture."""
        return self._label.text()

    def set_view(self, view: ArrayView | None) -> None:
        """Show another run, or none."""
        self._view, self._newest, self._planes, self._place = view, (0, None), {}, {}
        self._latest, self._is_partial, self._is_outdated = {}, False, True
        self.canvas.image = self.canvas.bar = None
        self.canvas.update()
        self.follow.setChecked(True)
        self._label.setText("No frame yet" if view is not None else "No run yet")
        self._make_sliders()
        self._make_rows(())
        if view is None:
            self._timer.stop()
        else:
            self._timer.start()

    def show_place(self, image_number: int) -> None:
        """Show an image of a run with several."""
        if "p" in self.sliders:
            self.follow.setChecked(False)
            self.sliders["p"].setValue(image_number)

    @guarded
    def refresh(self) -> None:
        """Show what is new, unless a picture is being made."""
        view = self._view
        if view is None or self._reading.is_busy or not self.isVisible():
            return
        newest = view.newest()
        if newest[1] is None:
            return
        before = self._latest
        if newest != self._newest:
            self._newest = newest
            self._fit_sliders(view)
            named = dict(zip(view.dims, newest[1], strict=False))
            self._latest = {name: value for name, value in named.items() if name != "c"}
            self._is_outdated = self._is_outdated or self._is_partial
        elif before != self._place and self.follow.isChecked():
            before = {}  # no frame since: show the newest place, complete or not
        if self.follow.isChecked():
            place = self._latest
            if (
                before
                and self._lacks_channels(view, place)
                and not self._lacks_channels(view, before)
            ):
                place = before  # channels appear together, one place later
            if place != self._place:
                self._place, self._is_outdated = dict(place), True
                self._show_place()
        if self._is_outdated:
            self._is_outdated = False
            self._ask(view)

    def _lacks_channels(self, view: ArrayView, place: Mapping[str, int]) -> bool:
        looks = {number: self.looks[name] for number, name in enumerate(self._channels)}
        return any(not view.is_acquired(index_of(view, place, n)) for n in _shown(looks))

    def report(self, error: BaseException) -> None:
        """Show why there is no picture."""
        self._label.setText(f"This frame cannot be shown: {error}")

    # ------------------------------------------------------------------------------ the picture

    def _ask(self, view: ArrayView) -> None:
        image = self._image(view)
        if image is None:
            return
        names = [channel.name for channel in image.channels] or ["gray"]
        if names != self._channels:
            self._make_rows(names, image)
        looks = {number: self.looks[name] for number, name in enumerate(names)}
        size = self.canvas.size() * self.devicePixelRatioF()
        request = PictureRequest(view, dict(self._place), looks, size.width(), size.height())
        self._reading.request(lambda: (request, picture_of(request)))

    @guarded
    def _on_picture(self, made: tuple[PictureRequest, Picture]) -> None:
        request, picture = made
        view = self._view
        if request.view is not view or view is None:
            return  # of the run before
        self._planes, self._is_partial = picture.planes, picture.missing > 0
        for channel, window in picture.windows.items():
            name = self._channels[channel]
            if self.looks[name].window is None:
                self._set_look(name, window=window)
        height, width = picture.rgb.shape[:2]
        image = QImage(picture.rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        self.canvas.image = image.copy()  # Qt does not keep the bytes alive
        self.canvas.bar = self._bar(view)
        self.canvas.update()
        self.histogram.show_picture(
            picture, {n: self.looks[name] for n, name in enumerate(self._channels)}
        )
        self._label.setText(self._describe(view, request.place, bool(picture.planes)))

    def _describe(self, view: ArrayView, place: Mapping[str, int], is_acquired: bool) -> str:
        image, sizes, parts = self._image(view), view.sizes, []
        if image is not None and len(view.images) > 1:
            parts.append(f"Position {image.label or image.name}")
        for name, value in place.items():
            if name != "p" and sizes[name] > 1:
                parts.append(f"{name} {value}")
        parts.append("" if is_acquired else "not acquired")
        return " · ".join(part for part in parts if part)

    def _image(self, view: ArrayView) -> ImageLayout | None:
        images, number = view.images, self._place.get("p", 0)
        return images[number] if number < len(images) else None

    def _bar(self, view: ArrayView) -> tuple[str, float] | None:
        image = self._image(view)
        axis = None if image is None else image.axes[-1]
        width = view.sizes["x"]
        if axis is None or not axis.scale or axis.unit not in _UNITS or not width:
            return None
        length, pixels = bar_length(width, axis.scale)
        return f"{length:g} {_UNITS[axis.unit]}", pixels / width

    # ------------------------------------------------------------------------------ the sliders

    def _make_sliders(self) -> None:
        _remove_all(self._axes)
        self.sliders, self._values = {}, {}
        names = [] if self._view is None else [n for n in self._view.dims[:-2] if n != "c"]
        for row, name in enumerate(names):
            title, slider, value = QLabel(_AXES.get(name, name)), QSlider(), QLabel()
            slider.setOrientation(Qt.Orientation.Horizontal)
            slider.setAccessibleName(_AXES.get(name, name))
            slider.setProperty("axis", name)
            title.setBuddy(slider)
            slider.valueChanged.connect(self._on_slider)
            for column, widget in enumerate((title, slider, value)):
                self._axes.addWidget(widget, row, column)
            self.sliders[name], self._values[name] = slider, value
            self._place[name] = 0
        if self._view is not None:
            self._fit_sliders(self._view)

    def _fit_sliders(self, view: ArrayView) -> None:
        """Adopt the sizes of a run that grows; an axis of one has no slider."""
        sizes = view.sizes
        for row, (name, slider) in enumerate(self.sliders.items()):
            slider.setMaximum(max(0, sizes[name] - 1))
            for column in range(3):
                item = self._axes.itemAtPosition(row, column)
                widget = None if item is None else item.widget()
                if widget is not None:
                    widget.setVisible(sizes[name] > 1)
        self._show_place()

    def _show_place(self) -> None:
        for name, slider in self.sliders.items():
            was_blocked = slider.blockSignals(True)
            slider.setValue(self._place.get(name, 0))
            slider.blockSignals(was_blocked)
            self._values[name].setText(f"{slider.value() + 1:,} of {slider.maximum() + 1:,}")

    @guarded
    def _on_slider(self, value: int) -> None:
        self.follow.setChecked(False)
        self._place = {name: slider.value() for name, slider in self.sliders.items()}
        self._show_place()
        self._is_outdated = True

    @guarded
    def _on_follow(self, is_on: bool) -> None:
        self._is_outdated = True

    # ----------------------------------------------------------------------------- the channels

    def _make_rows(self, names: Sequence[str], image: ImageLayout | None = None) -> None:
        _remove_all(self._looks)
        self._channels, self.rows, self._planes = list(names), {}, {}
        colors = ["ffffff"] * len(names)
        if image is not None and image.channels:
            colors = channel_colors(image.channels)
        for number, (name, color) in enumerate(zip(names, colors, strict=True)):
            look = self.looks.setdefault(name, ChannelLook(f"#{color}"))
            row = _ChannelRow(QCheckBox(name), QToolButton(), QDoubleSpinBox(), QDoubleSpinBox())
            row.shown.setChecked(look.is_shown)
            row.color.setAccessibleName(f"Color of {name}")
            row.color.setToolTip(f"Choose the color of {name}")
            for box, word in ((row.low, "Black"), (row.high, "White")):
                box.setRange(-1e9, 1e9)
                box.setDecimals(0)
                box.setKeyboardTracking(False)
                box.setAccessibleName(f"{word} level of {name}")
                box.setToolTip(f"{word} level of {name}")
            for column, widget in enumerate(row):
                self._looks.addWidget(widget, number, column)
            self.rows[name] = row
            self._show_look(name)
            row.shown.toggled.connect(self._on_look)
            row.color.clicked.connect(self._on_color)
            row.low.valueChanged.connect(self._on_look)
            row.high.valueChanged.connect(self._on_look)

    def _show_look(self, name: str) -> None:
        row, look = self.rows[name], self.looks[name]
        row.color.setStyleSheet(f"background-color: {look.color};")
        if look.window is not None:
            for box, value in zip((row.low, row.high), look.window, strict=True):
                was_blocked = box.blockSignals(True)
                box.setValue(value)
                box.blockSignals(was_blocked)

    def _set_look(self, name: str, **changes: Any) -> None:
        self.looks[name] = replace(self.looks[name], **changes)
        self._show_look(name)
        self._is_outdated = True

    @guarded
    def _on_look(self) -> None:
        for name, row in self.rows.items():
            window = (row.low.value(), row.high.value())
            known = self.looks[name].window is not None or window[1] > window[0]
            look = replace(
                self.looks[name], is_shown=row.shown.isChecked(), window=window if known else None
            )
            if look != self.looks[name]:
                self.looks[name] = look
                self._is_outdated = True

    @guarded
    def _on_color(self) -> None:
        for name, row in self.rows.items():
            if row.color is self.sender():
                color = QColorDialog.getColor(QColor(self.looks[name].color), self)
                if color.isValid():
                    self._set_look(name, color=color.name())

    @guarded
    def _on_auto(self) -> None:
        for channel, plane in self._planes.items():
            self._set_look(self._channels[channel], window=contrast_of(plane))


def _remove_all(layout: QGridLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
