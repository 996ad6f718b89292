"""The napari reader. It quickly declines anything that this package did not write."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from pymmcore_ome.dataset import Dataset, open_dataset
from pymmcore_ome.errors import PymmcoreOmeError

from .layers import LayerData, layers_of
from .viewer import name_positions, viewer_or_current

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
