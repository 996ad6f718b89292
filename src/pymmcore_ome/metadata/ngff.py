"""OME-NGFF 0.5 documents: image, bioformats2raw root, series, plate, well.

Documents only, built with yaozarrs' models, so that a wrong one cannot be made. The rules
are those of the specification, version 0.5 (https://ngff.openmicroscopy.org/0.5/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from yaozarrs import v05

from pymmcore_ome.layout import AXIS_RANK, ArraySpec, Axis, ImageLayout, Layout, LevelPlan
from pymmcore_ome.schema import Plate

from .axes import axis_origin, physical_unit
from .display import channel_colors, pixel_range, window_of

VERSION: Final = "0.5"
#: What `multiscales.metadata` says of the way in which levels were made (section 2.4).
_HOW: Final = {
    "mean": "each pixel is the mean of 2 x 2 pixels of the level before, halves rounded up",
    "nearest": "each pixel is the first of 2 x 2 pixels of the level before",
}


def refusals(layout: Layout) -> list[str]:
    """Return every reason why OME-Zarr 0.5 cannot hold the layout (section 2.1, axes)."""
    return list(dict.fromkeys(why for spec in layout.specs for why in _refusals(spec.axes)))


def _refusals(axes: tuple[Axis, ...]) -> list[str]:
    names = [axis.name for axis in axes]
    reasons = []
    if len(axes) > 5:
        reasons.append(f"OME-Zarr 0.5 allows 5 axes, the images have {len(axes)}: {names}")
    if sum(axis.kind in ("channel", "other") for axis in axes) > 1:
        reasons.append(f"OME-Zarr 0.5 allows one channel or custom axis, the images have {names}")
    ranks = [AXIS_RANK[axis.kind] for axis in axes]
    if ranks != sorted(ranks):
        reasons.append(
            "OME-Zarr 0.5 stores time first, then channel, then space; storage_order gives "
            f"{names}. Use storage_order='ome'"
        )
    return reasons


class ImageAttributes:
    """Makes the `ome` attributes of images of one layout.

    What a thousand fields of a plate have in common is made, and checked, once.

    Parameters
    ----------
    levels : LevelPlan, optional
        The resolution levels that are listed; None: the full resolution alone.
    contrast : mapping, optional
        The range of pixel values to show of each channel, as the store record has it.
    """

    def __init__(
        self, levels: LevelPlan | None = None, contrast: Mapping[str, Any] | None = None
    ) -> None:
        self._levels = levels
        self._contrast = contrast or {}
        self._of_spec: dict[ArraySpec, tuple[dict[str, Any], list[ArraySpec]]] = {}

    def __call__(self, image: ImageLayout) -> dict[str, Any]:
        """Return the attributes of an image's group."""
        if image.spec not in self._of_spec:
            specs = level_specs(image.spec, self._levels)
            attributes = _attributes_of_alike(image, specs, self._levels, self._contrast)
            self._of_spec[image.spec] = attributes, specs
        attributes, specs = self._of_spec[image.spec]
        (multiscale,) = attributes["multiscales"]
        has_place = image.position.x_um is not None or image.position.y_um is not None
        datasets = []
        for level, spec in zip(multiscale["datasets"], specs, strict=True):
            translation = [axis_origin(image, axis) for axis in spec.axes]
            if any(translation) or has_place or len(specs) > 1:
                moved = {"type": "translation", "translation": translation}
                transforms = [*level["coordinateTransformations"], moved]
                level = {**level, "coordinateTransformations": transforms}
            datasets.append(level)
        multiscale = {**multiscale, "name": image.label, "datasets": datasets}
        return {**attributes, "multiscales": [multiscale]}


def image_attributes(
    image: ImageLayout,
    levels: LevelPlan | None = None,
    contrast: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the `ome` attributes of one image's group."""
    return ImageAttributes(levels, contrast)(image)


def level_specs(spec: ArraySpec, levels: LevelPlan | None) -> list[ArraySpec]:
    """Return the array of each level of an image, that of the full resolution first."""
    if levels is None:
        return [spec]
    return [spec, *(levels.level_spec(spec, n) for n in range(1, levels.count_of(spec)))]


def _attributes_of_alike(
    image: ImageLayout,
    specs: Sequence[ArraySpec],
    levels: LevelPlan | None,
    contrast: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the attributes; those of name and place are replaced."""
    datasets = [
        v05.Dataset(
            path=str(number),
            coordinateTransformations=[
                v05.ScaleTransformation(scale=[_scale(axis) for axis in spec.axes])
            ],
        )
        for number, spec in enumerate(specs)
    ]
    has_levels = levels is not None and len(specs) > 1
    document = v05.Image(
        multiscales=[
            v05.Multiscale(
                name=image.label,
                axes=[_axis(axis) for axis in image.axes],
                datasets=datasets,
                type=levels.downsample if levels is not None and has_levels else None,
                metadata={"description": _HOW[levels.downsample], "method": "pymmcore_ome"}
                if levels is not None and has_levels
                else None,
            )
        ],
        omero=_omero(image, contrast),
    )
    return document.model_dump(mode="json", exclude_none=True)


def root_attributes() -> dict[str, Any]:
    """Return the `ome` attributes of a root with several images (section 2.2)."""
    return {"version": VERSION, "bioformats2raw.layout": 3}


def series_attributes(images: Iterable[ImageLayout]) -> dict[str, Any]:
    """Return the `ome` attributes of the `OME` group (section 2.2)."""
    return {"version": VERSION, "series": [image.path for image in images]}


def plate_attributes(plate: Plate, images: Iterable[ImageLayout]) -> dict[str, Any]:
    """Return the `ome` attributes of a plate's root: all rows and columns, used wells."""
    fields: dict[tuple[str, str], int] = {}
    for image in images:
        if image.well is not None:
            fields[image.well] = fields.get(image.well, 0) + 1
    rows = {name: number for number, name in enumerate(plate.rows)}
    columns = {name: number for number, name in enumerate(plate.columns)}
    document = v05.Plate(
        plate=v05.PlateDef(
            name=plate.name,
            rows=[v05.Row(name=name) for name in plate.rows],
            columns=[v05.Column(name=name) for name in plate.columns],
            wells=[
                v05.PlateWell(
                    path=f"{row}/{column}", rowIndex=rows[row], columnIndex=columns[column]
                )
                for row, column in fields
            ],
            field_count=max(fields.values()),
        )
    )
    attributes: dict[str, Any] = document.model_dump(mode="json", exclude_none=True)
    attributes["plate"]["version"] = VERSION  # section 2.5; not in yaozarrs' model
    return attributes


def well_attributes(images: Iterable[ImageLayout]) -> dict[str, Any]:
    """Return the `ome` attributes of a well's group: its fields in order."""
    document = v05.Well(
        well=v05.WellDef(images=[v05.FieldOfView(path=str(image.field)) for image in images])
    )
    return document.model_dump(mode="json", exclude_none=True)


def _scale(axis: Axis) -> float:
    return 1.0 if axis.scale is None else axis.scale  # the specification's word for "unknown"


def _axis(axis: Axis) -> Any:
    unit = physical_unit(axis)
    match axis.kind:
        case "time":
            return v05.TimeAxis(name=axis.name, unit=unit)
        case "space":
            return v05.SpaceAxis(name=axis.name, unit=unit)
        case "channel":
            return v05.ChannelAxis(name=axis.name)
        case _:
            # without a type, the official schema counts it among those of space
            return v05.CustomAxis(name=axis.name, type="other", unit=unit)


def _omero(image: ImageLayout, contrast: Mapping[str, Any]) -> v05.Omero | None:
    if not image.channels:
        return None
    low, high = pixel_range(image.dtype, image.spec.significant_bits)
    shown = [
        window_of(contrast, image.spec, number) or (low, high)
        for number in range(len(image.channels))
    ]
    return v05.Omero(
        channels=[
            v05.OmeroChannel(
                label=channel.name,
                color=color,
                active=True,
                window=v05.OmeroWindow(
                    min=min(low, start), max=max(high, end), start=start, end=end
                ),
            )
            for channel, color, (start, end) in zip(
                image.channels, channel_colors(image.channels), shown, strict=True
            )
        ]
    )
