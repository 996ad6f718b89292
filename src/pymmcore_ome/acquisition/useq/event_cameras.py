"""`EventCameras`: from an event's index to the images of the camera that acquires it.

Where cameras differ, or one camera's frame size or pixel size, each has images of its own, with
the channels that it acquires. It asks no device anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pymmcore_ome.errors import OutsidePlanError
from pymmcore_ome.schema import Camera, Channel, Dimension, EventOrder, ImageSchema

from .plans import Parts, of_camera

#: Camera labels by (group, preset); both names as Micro-Manager has them.
CameraPresets = Mapping[tuple[str, str], str]
_DEFAULT_GROUP: Final = "Channel"
_Place = tuple[int, int]  # position and tile of an image
_Index = tuple[tuple[str, int], ...]


def with_their_cameras(dimension: Dimension, presets: CameraPresets) -> Dimension:
    """Return a channel dimension whose channels name the camera they choose."""
    channels = [c.replace(camera=_label(c, presets) or c.camera) for c in dimension.channels]
    return dimension.replace(coords=channels)


def _label(channel: Channel, presets: CameraPresets) -> str | None:
    return presets.get((channel.group or _DEFAULT_GROUP, channel.name))


@dataclass
class EventCameras:
    """From an event's index, and the camera that acquired it, to its camera's image.

    It refuses a frame of a camera that the plan does not have there.

    Parameters
    ----------
    cameras : sequence of Camera
        Those that may acquire frames. A device whose frames change has an entry for each size
        and pixel size.
    labels : sequence of str
        The device of each.
    numbers : sequence of int
        Which of them acquires each frame, in order of acquisition.
    """

    cameras: Sequence[Camera]
    labels: Sequence[str]
    numbers: Sequence[int]
    _places: dict[_Place, dict[tuple[int, int], int]] = field(default_factory=dict)
    _planned: dict[_Index, int] = field(default_factory=dict)
    _has_cam: bool = True

    def split(self, parts: Parts) -> Parts:
        """Return the parts with images of their own for every camera, and remember their places.

        Parameters
        ----------
        parts : Parts
            With `images` and `order`: a sequence that was walked.
        """
        assert parts.images is not None
        assert parts.order is not None
        takes: dict[_Place, dict[int, set[int]]] = {_place(p.at): {} for p in parts.images}
        axes, events = parts.order.axes, []
        for row, camera in zip(parts.order.rows, self.numbers, strict=True):
            index = {name: n for name, n in zip(axes, row, strict=True) if n >= 0}
            self._planned[_key(index)] = camera
            channels = takes[_place(index)].setdefault(camera, set())
            if "c" in index:
                channels.add(index["c"])
            events.append((index, camera))
        if len(set(self.labels)) == 1 and all(len(taken) == 1 for taken in takes.values()):
            self._has_cam = False
            images = [
                plan.replace(camera=self.cameras[next(iter(takes[_place(plan.at)]))])
                for plan in parts.images
            ]
            return replace(parts, images=tuple(images))
        plans: list[ImageSchema] = []
        for plan in parts.images:
            plans += self._split_plan(plan, takes[_place(plan.at)])
        rows = []
        for index, camera in events:
            at = self.at(index, self.labels[camera])
            rows.append(tuple(at.get(name, -1) for name in (*axes, "cam")))
        return replace(
            parts, images=tuple(plans), order=EventOrder(axes=(*axes, "cam"), rows=tuple(rows))
        )

    def planned(self, index: Mapping[str, int]) -> Camera | None:
        """Return the camera that the plan has at an index; None outside of the plan."""
        number = self._planned.get(_key(index))
        return None if number is None else self.cameras[number]

    def at(self, index: Mapping[str, int], label: str | None = None) -> dict[str, int]:
        """Return where a frame of this index goes: its camera, and its channel there.

        Parameters
        ----------
        index : mapping
            Of the event.
        label : str, optional
            The device that acquired it. None: the one that the plan has there.

        Raises
        ------
        OutsidePlanError
            When the plan has another camera there, whose images have not this one's frames.
        """
        at = {str(axis): int(value) for axis, value in index.items()}
        if not self._has_cam:
            return at
        planned = self._planned.get(_key(at))
        camera = planned
        if label is not None and (planned is None or self.labels[planned] != label):
            camera = self._number(label)
        number, places = at.get("c"), self._places.get(_place(at), {})
        if camera is not None and number is not None and (number, camera) in places:
            return {**at, "cam": camera, "c": places[number, camera]}
        if label is None or (number is None and camera is not None) or planned is None:
            return {**at, "cam": camera or 0}  # what has no place: the stream says so
        raise OutsidePlanError(
            f"Frame at {at}: camera {label!r} acquired it, and the plan has "
            f"{self.labels[planned]!r} there. Let the preset of every channel choose its "
            "camera (Core-Camera). The frame was rejected; earlier frames are safe."
        )

    def _split_plan(self, plan: ImageSchema, takes: Mapping[int, set[int]]) -> list[ImageSchema]:
        places = self._places[_place(plan.at)] = {}
        channels = next((d for d in plan.dimensions if d.name == "c"), None)
        plans = []
        for camera, numbers in takes.items():
            own = plan
            if channels is not None:
                taken = sorted(numbers)
                places |= {(number, camera): n for n, number in enumerate(taken)}
                coords = [channels.channels[n] for n in taken]
                kept = channels.replace(size=None, coords=coords)
                own = plan.replace(
                    dimensions=[kept if d.name == "c" else d for d in plan.dimensions]
                )
            plans.append(of_camera(own, camera, self.cameras[camera]))
        return plans

    def _number(self, label: str) -> int | None:
        return next((n for n, name in enumerate(self.labels) if name == label), None)


def _place(index: Mapping[str, int]) -> _Place:
    return index.get("p", 0), index.get("g", 0)


def _key(index: Mapping[str, int]) -> _Index:
    return tuple(sorted((axis, value) for axis, value in index.items() if axis != "cam"))
