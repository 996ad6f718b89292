"""Every reader: what it opens, what it tells, how to get it, and what it is known not to do."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import ModuleType

import pytest

from . import bioformats, node

#: Set where every reader must be there: what would be skipped then fails.
ALL = "PYMMCORE_OME_ALL_READERS"
EXTRA = "pip install -e '.[readers]'"


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes
    ----------
    name, format : str
    module : str
        The file here that drives it, without ``by_``.
    package : str
        What it is imported as; ``""``: not a Python package.
    tells : tuple of str
        The facts of `expected.facts` that it gives, each of which is compared.
    limits : mapping of data set to str
        What it is known not to do with a data set, and why.
    note : str
        How it is used.
    is_of_node : bool
        It is a package of npm.
    """

    name: str
    format: str
    module: str
    package: str
    tells: tuple[str, ...]
    note: str
    limits: Mapping[str, str] = field(default_factory=dict)
    is_of_node: bool = False

    def load(self) -> ModuleType:
        """Return its adapter; skip the test (fail it in CI) where the reader is not installed."""
        if self.is_of_node:
            need(node.is_here(self.name), self.name, node.HOW)
        elif self.package:
            need(find_spec(self.package) is not None, self.name, EXTRA)
        else:
            need(bioformats.is_here(), self.name, bioformats.HOW)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a reader's own imports deprecate is not ours
            return importlib.import_module(f".by_{self.module}", __package__)


def need(there: bool, what: str, how: str) -> None:
    """Skip the test where something is missing; fail it where all must be there."""
    if there:
        return
    message = f"{what} is not here. To get it: {how}"
    if os.environ.get(ALL) == "1":
        pytest.fail(f"{message} ({ALL}=1 asks for every reader)")
    pytest.skip(message)


READERS = (
    Reader(
        "zarr-python", "ome-zarr", "zarr_python", "zarr", ("axes", "name"),
        "Opens the root, then each of its images.",
    ),
    Reader(
        "tensorstore", "ome-zarr", "tensorstore", "tensorstore", ("axes",),
        "Opens each array by its path; does not read OME metadata.",
    ),
    Reader(
        "zarrita", "ome-zarr", "zarrita", "", ("axes",),
        "Opens each array by its path, in the viewers of the browser (vizarr, Viv); does not read "
        "OME metadata.", is_of_node=True,
    ),
    Reader(
        "ngff-zarr", "ome-zarr", "ngff_zarr", "ngff_zarr",
        ("axes", "name", "scale", "origin", "channels", "colors", "window"),
        "Opens and validates each image by its path; rejects the root of a multi-image store.",
    ),
    Reader(
        "bioio-ome-zarr", "ome-zarr", "bioio_ome_zarr", "bioio_ome_zarr",
        ("axes", "name", "scale", "channels"),
        "Opens each image by its path; rejects the root of a multi-image store.",
    ),
    Reader(
        "ome-zarr", "ome-zarr", "ome_zarr", "ome_zarr", ("axes", "name", "scale", "channels"),
        "Opens each image by its path; finds no image at the root of a multi-image store.",
    ),
    Reader(
        "napari-ome-zarr", "ome-zarr", "napari", "napari_ome_zarr", ("axes", "step", "channels"),
        "Opens the root: one layer per channel and image, all placed at the origin "
        "(version 0.10 ignores the translation).",
        {"plate": "only the first field of each well is shown, as one stitched image"},
    ),
    Reader(
        "tifffile", "ome-tiff", "tifffile", "tifffile", ("name", "step", "channels", "planes"),
        "Opens a file: one series per image.",
    ),
    Reader(
        "bioio-ome-tiff", "ome-tiff", "bioio_ome_tiff", "bioio_ome_tiff",
        ("name", "pixel size", "channels", "planes"),
        "Opens a file: one scene per image.",
    ),
    Reader(
        "Bio-Formats", "ome-tiff", "bioformats", "",
        ("name", "step", "channels", "planes", "stage", "optics", "colors", "detector",
         "objective", "bits", "well"),
        "Opens a file, as Fiji, QuPath, and OMERO do: one series per image.",
    ),
)  # fmt: skip
BY_NAME = {reader.name: reader for reader in READERS}
