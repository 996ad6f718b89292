"""`RunMap`: how far each well, tile, or position of a run is, painted in one widget.

A plate has up to 1,536 wells, and a widget for each of them would block the window for seconds.
`places_of` and `MapState` are plain and know no widget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from qtpy.QtWidgets import (
    QSizePolicy,
    QToolTip,
    QWidget,
)

from pymmcore_ome.layout import ImageLayout
from pymmcore_ome.stream import (
    FrameCounts,
    count_text,
)

from .message_bar import color_of

_SHADES: Final = 8  # in which the share of acquired frames is drawn
_GAP: Final = 0.12  # between two places, as a share of their distance
_LEAST_LABEL: Final = 11  # pixels that a row needs for its name


@dataclass(frozen=True)
class Place:
    """A well, a tile, or a position of a run.

    Attributes
    ----------
    name : str
    images : tuple of int
        Numbers of the images that are acquired there, such as one for each camera.
    x, y, width, height : float
        On the map, in units of their own; y points down.
    """

    name: str
    images: tuple[int, ...]
    x: float
    y: float
    width: float = 1.0
    height: float = 1.0


def places_of(
    images: Sequence[ImageLayout], plate: tuple[Sequence[str], Sequence[str]] | None = None
) -> list[Place]:
    """Return the places of a run, in order of first visit.

    Wells are placed by row and column, tiles by their row and column in the grid, and positions by
    their stage coordinates. Positions without coordinates, or that overlap, are listed in rows.

    Parameters
    ----------
    images : sequence of ImageLayout
    plate : (rows, columns), optional
        Names of all rows and columns of the plate.
    """
    if plate is not None and images and all(image.well is not None for image in images):
        rows, columns = ({name: n for n, name in enumerate(names)} for names in plate)
        return _gathered(
            images,
            lambda image: image.well,
            lambda well: (f"{well[0]}{well[1]}", columns[well[1]], rows[well[0]]),
        )
    spots = [_stage_spot(image) for image in images]
    known = [spot for spot in spots if spot is not None]
    if len(known) == len(images) and len(set(known)) > 1:
        width, height = _pitch(known)
        found = _gathered(
            images,
            lambda image: _stage_spot(image),
            lambda spot: ("", spot[0] / width, -spot[1] / height),
        )
        if not _overlap(found):
            return _named(found, images)
    found = _gathered(images, _name_of, lambda _: ("", 0, 0))
    across = max(1, ceil(sqrt(2 * len(found))))
    listed = [
        Place("", place.images, number % across, number // across)
        for number, place in enumerate(found)
    ]
    return _named(listed, images)


def _gathered(images: Sequence[ImageLayout], key: Any, where: Any) -> list[Place]:
    numbers: dict[Any, list[int]] = {}
    for image in images:
        numbers.setdefault(key(image), []).append(image.number)
    found = []
    for value, members in numbers.items():
        name, x, y = where(value)
        found.append(Place(name, tuple(members), x, y))
    return found


def _named(places: Sequence[Place], images: Sequence[ImageLayout]) -> list[Place]:
    return [
        Place(
            _name_of(images[place.images[0]]), place.images, place.x, place.y,
            place.width, place.height,
        )
        for place in places
    ]  # fmt: skip


def _name_of(image: ImageLayout) -> str:
    return image.label or image.name


def _stage_spot(image: ImageLayout) -> tuple[float, float] | None:
    position = image.position
    if position.x_um is None or position.y_um is None:
        return None
    return round(position.x_um, 1), round(position.y_um, 1)


def _pitch(spots: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the usual distance of neighbors along x and y, in micrometers."""
    steps = []
    for axis in range(2):
        values = np.unique([spot[axis] for spot in spots])
        gaps = np.diff(values)
        gaps = gaps[gaps > 1]
        steps.append(float(np.median(gaps)) if len(gaps) else 0.0)
    most = max(steps) or 1.0
    return steps[0] or most, steps[1] or most


def _overlap(places: Sequence[Place]) -> bool:
    """Whether places cover each other, or are so far apart that each would be a speck."""
    x = np.array([place.x for place in places])
    y = np.array([place.y for place in places])
    area = (np.ptp(x) + 1) * (np.ptp(y) + 1)
    if area > 25 * len(places) + 100:
        return True
    cells = {(round(a), round(b)) for a, b in zip(x, y, strict=True)}
    return len(cells) < len(places)


@dataclass(frozen=True)
class MapState:
    """How far each place of a run is; arrays have one element for each place.

    Attributes
    ----------
    shares : array of float64
        Of the planned frames that were acquired, 0 to 1.
    skipped, lost : array of int64
        Frames that are missing: not acquired, or not written.
    now : int | None
        The place of the newest frame, while the run goes on.
    """

    shares: NDArray[np.float64]
    skipped: NDArray[np.int64]
    lost: NDArray[np.int64]
    now: int | None = None

    @classmethod
    def of(
        cls,
        place_of_image: NDArray[np.intp],
        planned: NDArray[np.int64],
        counts: FrameCounts,
        is_over: bool = False,
    ) -> MapState:
        """Sum the counts of images up to places.

        Parameters
        ----------
        place_of_image : array of int, (images,)
        planned : array of int, (places,)
            Frames of each place; 0: unknown.
        counts : FrameCounts
        is_over : bool
        """
        size, known = len(planned), min(len(place_of_image), len(counts.acquired))
        of = place_of_image[:known]
        acquired, skipped, lost = (
            np.bincount(of, each[:known], size).astype(np.int64)
            for each in (counts.acquired, counts.skipped, counts.lost)
        )
        shares = np.where(planned > 0, acquired / np.maximum(planned, 1), acquired > 0)
        newest = counts.newest
        is_now = not is_over and newest is not None and newest < known
        return cls(shares.clip(0, 1), skipped, lost, int(of[newest]) if is_now else None)

    @property
    def summary(self) -> str:
        """The numbers of places by state, as one line."""
        done = int(np.count_nonzero(self.shares >= 1))
        parts = [f"{done:,} of {count_text(len(self.shares), 'place')} done"]
        for name, counts in (("skipped", self.skipped), ("lost", self.lost)):
            if bad := int(np.count_nonzero(counts)):
                parts.append(f"{bad:,} with {name} frames")
        return ", ".join(parts)


class RunMap(QWidget):
    """Paints all places of a run. A click, or Enter, selects a place.

    The arrow keys move between places. A tooltip describes each of them.
    """

    placeSelected = Signal(int)  # number of the first image of a place

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.places: list[Place] = []
        self.state: MapState | None = None
        self._planned: NDArray[np.int64] = np.zeros(0, np.int64)
        self._place_of_image: NDArray[np.intp] = np.zeros(0, np.intp)
        self._labels: tuple[Sequence[str], Sequence[str]] | None = None
        self._focused = 0
        self.setMinimumSize(160, 100)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Map of the places of the run")

    def sizeHint(self) -> QSize:
        return QSize(520, 320)

    def set_images(
        self,
        images: Sequence[ImageLayout],
        plate: tuple[Sequence[str], Sequence[str]] | None = None,
    ) -> None:
        """Show the places of these images, as `places_of`."""
        self.places = places_of(images, plate)
        self._labels = plate if self.places and images[0].well is not None else None
        self._planned = np.array(
            [sum(_planned_frames(images[n]) for n in place.images) for place in self.places],
            np.int64,
        )
        self._place_of_image = np.zeros(len(images), np.intp)
        for number, place in enumerate(self.places):
            self._place_of_image[list(place.images)] = number
        self.state, self._focused = None, 0
        self.update()

    def show_counts(self, counts: FrameCounts, is_over: bool = False) -> None:
        """Show how many frames each image has."""
        state = MapState.of(self._place_of_image, self._planned, counts, is_over)
        self.setAccessibleDescription(state.summary)
        self.state = state
        self.update()

    def clear(self) -> None:
        """Show no place."""
        self.places, self.state = [], None
        self.update()

    def rects(self) -> list[QRectF]:
        """Return the rectangle of each place, in pixels of the widget."""
        if not self.places:
            return []
        inner = self._inner()
        x = np.array([place.x for place in self.places])
        y = np.array([place.y for place in self.places])
        if self._labels is not None:
            left, top = 0.0, 0.0
            across, down = float(len(self._labels[1])), float(len(self._labels[0]))
        else:
            left, top = float(x.min()), float(y.min())
            across, down = float(np.ptp(x)) + 1, float(np.ptp(y)) + 1
        unit = min(inner.width() / across, inner.height() / down)
        if self._labels is None:
            unit = min(unit, 64.0)
        gap = unit * _GAP if unit >= 4 else 0.0
        x0 = inner.left() + (inner.width() - unit * across) / 2
        y0 = inner.top() + (inner.height() - unit * down) / 2
        side = max(1.0, unit - gap)
        return [
            QRectF(x0 + (a - left) * unit, y0 + (b - top) * unit, side, side)
            for a, b in zip(x.tolist(), y.tolist(), strict=True)
        ]

    def place_at(self, point: QPointF) -> int | None:
        """Return the number of the place at a point of the widget."""
        return next((n for n, rect in enumerate(self.rects()) if rect.contains(point)), None)

    def describe(self, number: int) -> str:
        """Return what is known of a place, in words."""
        place, state = self.places[number], self.state
        if state is None:
            return place.name
        planned = int(self._planned[number])
        acquired = round(float(state.shares[number]) * planned) if planned else None
        lines = [place.name]
        if acquired is not None:
            lines.append(f"{acquired:,} of {count_text(planned, 'frame')}")
        for word, counts in (("skipped", state.skipped), ("lost", state.lost)):
            if counts[number]:
                lines.append(f"{count_text(int(counts[number]), 'frame')} {word}")
        if state.now == number:
            lines.append("acquired now")
        return "\n".join(lines)

    # ----------------------------------------------------------------------------------- of Qt

    def event(self, event: QEvent | None) -> bool:
        """Show the tooltip of the place under the mouse."""
        if isinstance(event, QHelpEvent):
            number = self.place_at(QPointF(event.pos()))
            if number is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(event.globalPos(), self.describe(number), self)
            return True
        return bool(super().event(event))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Select the place under the mouse."""
        if event is not None and (number := self.place_at(event.position())) is not None:
            self._focused = number
            self.placeSelected.emit(self.places[number].images[0])
            self.update()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move between places, and select one."""
        if event is None or not self.places:
            return super().keyPressEvent(event)
        key, keys = event.key(), Qt.Key
        here = self.places[self._focused]
        moves = {
            keys.Key_Left: (-1, 0), keys.Key_Right: (1, 0),
            keys.Key_Up: (0, -1), keys.Key_Down: (0, 1),
        }  # fmt: skip
        if key in (keys.Key_Return, keys.Key_Enter, keys.Key_Space):
            self.placeSelected.emit(here.images[0])
        elif (move := moves.get(keys(key))) is not None:
            self._focused = self._neighbor(*move)
            self.setAccessibleDescription(self.describe(self._focused).replace("\n", ", "))
            self.update()
        else:
            return super().keyPressEvent(event)
        return None

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        palette = self.palette()
        ink = palette.color(QPalette.ColorRole.WindowText)
        base = palette.color(QPalette.ColorRole.Base)
        rects = self.rects()
        if not rects:
            painter.setPen(ink)
            painter.drawText(
                self.rect(),
                Qt.AlignmentFlag.AlignCenter,
                "No place is known before the first frame",
            )
            painter.end()
            return
        state = self.state
        done = QColor(color_of("success", self))
        shades = np.zeros(len(rects), np.intp)
        if state is not None:
            shades = np.ceil(state.shares * _SHADES).astype(np.intp)
        faint = QColor(ink)
        faint.setAlpha(90)
        side = rects[0].width()
        painter.setPen(QPen(faint, 1) if side >= 5 else Qt.PenStyle.NoPen)
        for shade in np.unique(shades).tolist():  # few calls, whatever the number of places
            painter.setBrush(_mixed(base, done, shade / _SHADES))
            painter.drawRects([rects[n] for n in np.flatnonzero(shades == shade).tolist()])
        if state is not None:
            self._mark(painter, rects, state)
        self._draw_labels(painter, rects, ink)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(ink, 1, Qt.PenStyle.DotLine))
            painter.drawRect(rects[self._focused].adjusted(-2, -2, 2, 2))
        painter.end()

    def _mark(self, painter: QPainter, rects: Sequence[QRectF], state: MapState) -> None:
        """Draw what must be seen without color, too: one line: skipped, a cross: lost."""
        side = rects[0].width()
        width = max(1.5, side / 8)
        for level, counts in (("warning", state.skipped), ("error", state.lost)):
            color = QColor(color_of(level, self))  # type: ignore[arg-type]
            painter.setPen(QPen(color, width))
            for number in np.flatnonzero(counts).tolist():
                rect = rects[number]
                if side < 5:
                    painter.fillRect(rect, color)
                    continue
                painter.drawLine(rect.bottomLeft(), rect.topRight())
                if level == "error":
                    painter.drawLine(rect.topLeft(), rect.bottomRight())
        if state.now is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(
                QPen(self.palette().color(QPalette.ColorRole.Highlight), max(2.0, width))
            )
            painter.drawRect(rects[state.now].adjusted(-1, -1, 1, 1))

    def _draw_labels(self, painter: QPainter, rects: Sequence[QRectF], ink: QColor) -> None:
        painter.setPen(ink)
        font = painter.font()
        font.setPixelSize(_LEAST_LABEL - 1)
        painter.setFont(font)
        side = rects[0].width()
        if self._labels is None:
            if side >= 28:
                for place, rect in zip(self.places, rects, strict=True):
                    text = painter.fontMetrics().elidedText(
                        place.name, Qt.TextElideMode.ElideRight, int(side) - 2
                    )
                    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
            return
        pitch = side / (1 - _GAP) if side >= 4 else side
        step = max(1, ceil(_LEAST_LABEL / pitch))
        first = next(iter(self.places))
        x0, y0 = rects[0].x() - first.x * pitch, rects[0].y() - first.y * pitch
        center, right = Qt.AlignmentFlag.AlignCenter, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        for number, name in list(enumerate(self._labels[0]))[::step]:
            row = QRectF(x0 - 26, y0 + number * pitch, 22, max(side, _LEAST_LABEL))
            painter.drawText(row, right | middle, name)
        step = max(1, ceil(1.8 * _LEAST_LABEL / pitch))
        for number, name in list(enumerate(self._labels[1]))[::step]:
            column = QRectF(x0 + number * pitch - 8, y0 - 16, side + 16, 14)
            painter.drawText(column, center, name)

    def _inner(self) -> QRectF:
        margin = (28, 18, 4, 4) if self._labels is not None else (4, 4, 4, 4)
        return QRectF(self.rect()).adjusted(margin[0], margin[1], -margin[2], -margin[3])

    def _neighbor(self, across: int, down: int) -> int:
        """Return the nearest place in a direction, or the present one."""
        here = self.places[self._focused]
        best, found = None, self._focused
        for number, place in enumerate(self.places):
            dx, dy = place.x - here.x, place.y - here.y
            ahead, aside = dx * across + dy * down, abs(dx * down) + abs(dy * across)
            if ahead > 1e-9:
                distance = ahead + 3 * aside
                if best is None or distance < best:
                    best, found = distance, number
        return found


def _planned_frames(image: ImageLayout) -> int:
    """Return how many frames an image will have; 0: unknown."""
    if image.spec.unbounded_axes:
        return 0
    return prod(image.spec.plane_shape())


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    parts = (
        round(a + (b - a) * share)
        for a, b in zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)
    )
    return QColor(*parts)
