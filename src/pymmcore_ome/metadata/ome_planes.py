"""Plane and TiffData elements of OME-XML, as text: there may be a hundred thousand.

Every plane of an image that has frames is listed, in storage order, because readers count
them; unknown values are left out. Only where nearly all are holes are those left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.frames import PLANE_COLUMNS, PlaneMetadata
from pymmcore_ome.layout import ImageLayout, PageTable, Run
from pymmcore_ome.schema import MICROMETERS

from .axes import stage_coordinates
from .ome_image import letter

Stack = Sequence[ImageLayout]
_AT_ONCE: Final = 10_000
_STOP: Final = "\n"  # in no element
_MANY_HOLES: Final = 100  # planes a frame, from which on holes are not listed
#: Of the annotation with the metadata of planes; followed by its number.
NOTE_ID: Final = "Annotation:Frame:"
_FORMS: Final = (
    ' DeltaT="%r" DeltaTUnit="s"',
    ' ExposureTime="%r" ExposureTimeUnit="ms"',
    ' PositionX="%r" PositionXUnit="\u00b5m"',
    ' PositionY="%r" PositionYUnit="\u00b5m"',
    ' PositionZ="%r" PositionZUnit="\u00b5m"',
)


def tiff_data_elements(image: ImageLayout, shape: Sequence[int], pages: PageTable) -> str:
    """Return which pages of the file hold the planes of an image."""
    letters = [letter(axis).upper() for axis in image.axes[:-2]]
    planes = [max(1, size) for size in image.spec.plane_shape(shape)]
    texts = []
    runs: Iterable[Run] = pages.runs(image.number, planes)
    if (
        image.spec.samples > 1
    ):  # DimensionOrder then begins with the samples, not with the pages' order
        runs = pages.single(image.number, planes)
    for run in runs:
        first = "".join(
            f' First{name}="{value}"' for name, value in zip(letters, run.first, strict=True)
        )
        texts.append(f'<TiffData{first} IFD="{run.page}" PlaneCount="{run.planes}"/>')
    return "".join(texts)


def alike(images: Iterable[ImageLayout], shapes: Sequence[Sequence[int]]) -> Iterator[Stack]:
    """Yield the images in stacks: neighbors of one kind and shape, few planes together."""
    stack: list[ImageLayout] = []
    kind: tuple[object, ...] = ()
    most = 0
    for image in images:
        shape = shapes[image.number]
        now = (image.spec, shape)
        if stack and (len(stack) >= most or now != kind):
            yield stack
            stack = []
        if not stack:
            kind = now
            most = _AT_ONCE // max(1, math.prod(image.spec.plane_shape(shape)))
        stack.append(image)
    if stack:
        yield stack


def plane_elements(
    stack: Stack, shape: Sequence[int], table: PlaneMetadata | None, *, has_notes: bool = False
) -> Iterator[Iterable[str]]:
    """Yield the Plane elements of each image of a stack, in pieces.

    None for an image that has no frame. What a plate's fields have in few planes takes far less
    time for many of them together. With `has_notes`, they refer to annotations (`note_maps`).
    """
    image = stack[0]
    planes = image.spec.plane_shape(shape)
    if table is None or 0 in planes:
        yield from ((),) * len(stack)
        return
    found = table.of([image.path for image in stack], len(planes))
    filled = [image for image, count in zip(stack, found.counts, strict=True) if count]
    if not filled:
        yield from ((),) * len(stack)
        return
    member = np.repeat(np.arange(len(filled)), [count for count in found.counts if count])
    indices, known = image.spec.plane_indices(found.indices), found.values
    facts = np.where(np.isnan(known), _planned(filled, member, indices), known)
    notes = found.notes if has_notes else np.full(len(facts), np.nan)
    facts = np.column_stack([facts, notes])
    # the image is one more axis, which no element names
    at = np.ravel_multi_index((member, *indices.T), (len(filled), *planes))
    if len(stack) == 1:
        yield _elements(image, planes, at, facts)
        return
    text = _STOP.join(_elements(image, planes, at, facts, len(filled)))
    texts = iter(text.split(_STOP))
    for count in found.counts:
        yield (next(texts),) if count else ()


def _elements(
    image: ImageLayout,
    planes: tuple[int, ...],
    at: NDArray[np.int64],
    facts: NDArray[np.float64],
    images: int = 1,
) -> Iterator[str]:
    """Yield Plane elements in pieces; of several images in one, with a stop between them."""
    each = math.prod(planes)
    count = each * images
    if count <= _MANY_HOLES * len(facts) + _AT_ONCE:
        listed = np.arange(count)
        values = np.full((count, facts.shape[1]), np.nan)
        values[at] = facts
    else:
        listed, places_of = np.unique(at, return_index=True)
        values = facts[places_of]
    names = [f' The{letter(axis).upper()}="%d"' for axis in image.axes[:-2]]
    names += [f' The{name}="0"' for name in "ZCT" if f' The{name}="%d"' not in names]
    forms = _forms("".join(names))
    for first in range(0, len(values), _AT_ONCE):
        some = values[first : first + _AT_ONCE]
        numbers = listed[first : first + len(some)] % each
        places = np.zeros((len(some), len(planes)))
        if planes:
            places = np.stack(np.unravel_index(numbers, planes), axis=1)
        is_known = ~np.isnan(some)
        of_each = (is_known @ (1 << np.arange(len(_FORMS) + 1))).tolist()
        known_first = np.hstack([np.ones(places.shape, bool), is_known])
        numbers_of_all = np.hstack([places, some])[known_first].tolist()
        texts = [forms[known] for known in of_each]
        if images > 1:
            texts[each::each] = [_STOP + text for text in texts[each::each]]
        yield "".join(texts) % tuple(numbers_of_all)


@lru_cache(maxsize=64)  # thousands of fields have the same axes
def _forms(names: str) -> list[str]:
    """Return a Plane for each combination of facts that may be known, as a % template."""
    starts = [
        f"<Plane{names}{''.join(form for n, form in enumerate(_FORMS) if known & 1 << n)}"
        for known in range(1 << len(_FORMS))
    ]
    end = f'><AnnotationRef ID="{NOTE_ID}%d"/></Plane>'
    return [f"{start}/>" for start in starts] + [start + end for start in starts]


def _planned(
    images: Sequence[ImageLayout], member: NDArray[np.intp], indices: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the planned values of each frame, for those that its own metadata lack."""
    image = images[0]
    planned = np.full((len(indices), len(PLANE_COLUMNS)), np.nan)
    at = [image.position for image in images]
    stage = np.array([(p.x_um, p.y_um, p.z_um) for p in at], dtype=float)[member]
    planned[:, 2:] = stage
    for number, axis in enumerate(image.axes[:-2]):
        if axis.name == "z":
            um = MICROMETERS[axis.unit or "micrometer"]
            if axis.scale is not None:
                steps = (axis.origin or 0.0) + indices[:, number] * axis.scale
                planned[:, 4] = np.nan_to_num(stage[:, 2]) + um * steps
            elif axis.coords:
                listed = np.array([stage_coordinates(image, axis) for image in images], float)
                planned[:, 4] = um * listed[member, indices[:, number]]
        if axis.kind == "channel" and image.spec.plane_channels:
            exposures = [channel.exposure_ms for channel in image.spec.plane_channels]
            listed = np.array([np.nan if e is None else e for e in exposures], dtype=float)
            planned[:, 1] = listed[indices[:, number]]
    return planned
