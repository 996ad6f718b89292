"""`show`: a store in a napari viewer, with the name of the position on the canvas."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from pymmcore_ome.dataset import Dataset, open_dataset
from pymmcore_ome.errors import AcquisitionError, PymmcoreOmeError
from pymmcore_ome.metadata import KEY, pixel_range

from .layers import LayerData, layers_of


def show(path: str | os.PathLike[str], viewer: Any = None) -> list[Any]:
    """Add a store's layers to a viewer, and show the name of the displayed position.

    Call this in the main thread.

    Parameters
    ----------
    path : path-like
        A store of this package, complete or not.
    viewer : napari.Viewer, optional
        None: the current one.

    Returns
    -------
    list of napari.layers.Layer

    Raises
    ------
    NotAStoreError
        When the path is not a store that this package wrote.
    AcquisitionError
        When there is no viewer.
    """
    viewer = viewer_or_current(viewer)
    from napari.layers import Image, Layer

    dataset = open_dataset(path)
    added = []
    for data, how, kind in layers_of(dataset):
        layer = viewer.add_layer(Layer.create(data, how, kind))
        if kind == "image" and not how["rgb"]:
            limits = layer.contrast_limits
            low, high = pixel_range(str(layer.dtype), dataset.schema.significant_bits)
            layer.contrast_limits_range = (min(low, limits[0]), max(high, limits[1]))
            layer.contrast_limits = limits
        added.append(layer)
    pictures = [layer for layer in added if layer.visible and isinstance(layer, Image)]
    if pictures:
        viewer.layers.selection.active = pictures[-1]
        if pictures[-1].ndim == viewer.dims.ndim:  # napari 0.6 does not do it itself
            viewer.dims.axis_labels = pictures[-1].axis_labels
    name_positions(viewer)
    if any("pixel" not in map(str, layer.units[-2:]) for layer in pictures):
        scale_bar(viewer).visible = True
    return added


def viewer_or_current(viewer: Any) -> Any:
    """Return the viewer itself, without the proxy that plugins get; None: the current one.

    Raises
    ------
    AcquisitionError
        When there is none.
    """
    if viewer is None:
        import napari

        viewer = napari.current_viewer()
    if viewer is None:
        raise AcquisitionError("There is no napari viewer. Create one with napari.Viewer().")
    return getattr(viewer, "__wrapped__", viewer)


def name_positions(viewer: Any) -> None:
    """Show the name of the displayed position of a stack on the canvas, from now on."""
    if viewer in _named:
        _write_name(viewer)
        return
    _named.add(viewer)

    def write(_: Any = None) -> None:
        _write_name(viewer)

    for changed in ("current_step", "ndim", "range"):  # the last one when a layer was added
        getattr(viewer.dims.events, changed).connect(write)
    viewer.layers.events.removed.connect(write)
    viewer.layers.selection.events.active.connect(write)
    write()


_named: weakref.WeakSet[Any] = weakref.WeakSet()  # the viewers that show names


def position_name(viewer: Any) -> str:
    """Return the name of the displayed position; empty if there is only one."""
    active = viewer.layers.selection.active
    candidates = [active, *reversed(viewer.layers)] if active is not None else viewer.layers
    for layer in candidates:
        names = (layer.metadata.get(KEY) or {}).get("names", ())
        if not layer.visible or len(names) < 2:
            continue
        place = layer.world_to_data(viewer.dims.point[-layer.ndim :])[0]
        return str(names[min(max(round(place), 0), len(names) - 1)])
    return ""


def text_overlay(viewer: Any) -> Any:
    """Return the text over the canvas, which napari moved in version 0.9."""
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", None)
    return viewer.text_overlay if overlays is None else overlays.text


def scale_bar(viewer: Any) -> Any:
    """Return the scale bar of the canvas, which napari moved in version 0.9."""
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", None)
    return getattr(overlays, "scale_bar", None) or viewer.scale_bar


def _write_name(viewer: Any) -> None:
    name = position_name(viewer)
    overlay = text_overlay(viewer)
    was = getattr(overlay, "text", "")
    if name or was in _written:  # keep a text of the user
        _written.add(name)
        overlay.text = name
        overlay.visible = bool(name)


_written: set[str] = set()


PathOrPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerData]] | None:
    """Return a function that reads the layers of a store, or None if it is not ours.

    The command of the plugin's ``readers``. A store need not be complete. A list of paths is read
    if all of them are stores of this package.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    try:
        datasets = [open_dataset(one) for one in paths]
    except PymmcoreOmeError:
        return None
    if not datasets:
        return None
    return lambda _: _layers(datasets)


def _layers(datasets: Sequence[Dataset]) -> list[LayerData]:
    if "napari" in sys.modules:
        import napari

        viewer = napari.current_viewer()
        if viewer is not None:
            name_positions(viewer_or_current(viewer))
    return [layer for dataset in datasets for layer in layers_of(dataset)]
