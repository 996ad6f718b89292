"""`SaveOptions`: one list of options, that all who take them show and refuse alike."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.stream import SaveOptions, SaveOptionsDict

TAKERS: dict[str, Callable[..., Any]] = {
    "open_stream": po.open_stream,
    "Output": po.Output,
    "install": po.install,
}
NAMES = [field.name for field in fields(SaveOptions)]


def test_typed_dictionary_and_class_have_the_same_options() -> None:
    assert list(SaveOptionsDict.__annotations__) == NAMES
    documented = inspect.getdoc(SaveOptions) or ""
    assert [name for name in NAMES if f"\n{name} : " not in documented] == []


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
def test_help_and_signature_show_every_option(taker: Callable[..., Any]) -> None:
    parameters = inspect.signature(taker).parameters
    shown = pydoc.render_doc(taker, renderer=pydoc.plaintext)
    for field in fields(SaveOptions):
        assert parameters[field.name].default == field.default
        assert f"{field.name}: " in shown or f"{field.name}=" in shown
    assert "**options" not in shown


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
def test_docstring_describes_every_option_once(taker: Callable[..., Any]) -> None:
    doc = inspect.getdoc(taker) or ""
    assert [doc.count(f"\n{name} : ") for name in NAMES] == [1] * len(NAMES)
    assert doc.index("\nchecksums : ") < max(doc.find("\nReturns\n"), doc.find("\nAttributes\n"))


@pytest.mark.parametrize(
    ("keyword", "hint"),
    [("compresion", "'compression'"), ("overwite", "'overwrite'"), ("zzz", "Options: format, ")],
)
def test_unknown_option_is_refused_with_the_nearest(
    tmp_path: Path, small_schema: StorageSchema, keyword: str, hint: str
) -> None:
    for call in (
        lambda **options: po.open_stream(tmp_path / "a.ome.zarr", small_schema, **options),
        lambda **options: po.Output(tmp_path / "a.ome.zarr", **options),
    ):
        with pytest.raises(errors.OptionError, match=keyword) as caught:
            call(**{keyword: 1})
        assert isinstance(caught.value, TypeError)
        assert hint in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_unknown_option_of_an_output_may_be_its_own(tmp_path: Path) -> None:
    with pytest.raises(errors.UnknownOptionError, match="Did you mean 'unready'"):
        po.Output(tmp_path / "a.ome.zarr", unredy="record")  # type: ignore[call-arg]


def test_options_cannot_be_changed() -> None:
    options = SaveOptions(compression="zstd")
    with pytest.raises(FrozenInstanceError):
        options.compression = None  # type: ignore[misc]


@pytest.mark.parametrize("name", ["path", "format", "overwrite", "unready", "cameras"])
def test_output_shows_what_it_was_made_with(tmp_path: Path, name: str) -> None:
    camera = po.Camera("Left", 4, 6, "uint8")
    output = po.Output(tmp_path / "a.ome.tiff", overwrite=True, unready="record", cameras=[camera])
    made_with = {
        "path": tmp_path / "a.ome.tiff", "format": "ome-tiff", "overwrite": True,
        "unready": "record", "cameras": (camera,),
    }  # fmt: skip
    assert getattr(output, name) == made_with[name]


def test_chunks_of_a_schema_are_hints_that_a_tiff_does_not_need(tmp_path: Path) -> None:
    dims = [
        Dimension(name="t", size=6, chunk_size=2, shard_size=4),
        Dimension(name="y", size=4, chunk_size=2), Dimension(name="x", size=5),
    ]  # fmt: skip
    schema = StorageSchema(dimensions=dims, dtype="uint8")
    path = tmp_path / "a.ome.tiff"
    with po.open_stream(path, schema) as stream:
        for number in range(6):
            stream.append(np.full((4, 5), number, "uint8"))
    assert po.validate(path, pixels=True) == []
    assert po.open_dataset(path).images[0].shape == (6, 4, 5)
    with pytest.raises(errors.OptionError, match="whole frames"):  # an option is no hint
        po.open_stream(tmp_path / "b.ome.tiff", schema, chunks={"t": 2})


def test_tile_needs_row_and_column() -> None:
    for half in ({"grid_row": 1}, {"grid_column": 1}):
        with pytest.raises(errors.SchemaError, match="grid_row and grid_column"):
            po.Position(name="a", **half)  # type: ignore[arg-type]
