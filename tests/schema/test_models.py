"""The declarative models: validated, frozen, round-tripping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymmcore_ome import Camera, Channel, Dimension, Plate, Position, StorageSchema
from pymmcore_ome.errors import PymmcoreOmeError, SchemaError, UnsafeNameError
from pymmcore_ome.schema.names import safe_name, unsafe_reason

YX = [Dimension(name="y", size=4), Dimension(name="x", size=4)]

FULL = StorageSchema(
    dimensions=[
        Dimension(name="t", size=None),
        Dimension(
            name="p",
            coords=[
                Position(name="A1_0", plate_row="A", plate_column="1", x_um=1.5),
                Position(name="b", label="5 µM / b", plate_row="B", plate_column="2", z_um=-1),
            ],
        ),
        Dimension(name="c", coords=["DAPI", Channel(name="FITC", color="00ff00", exposure_ms=5)]),
        Dimension(name="z", coords=[0.0, 1.0, 3.5], unit="micrometer"),
        Dimension(name="y", size=512, scale=0.1, chunk_size=256, shard_size=512),
        Dimension(name="x", size=512, scale=0.1),
    ],
    dtype="uint16",
    storage_order=["t", "c", "z"],
    plate=Plate("plate", rows=["A", "B"], columns=["1", "2"]),
    compression="zstd:3",
    significant_bits=12,
)


@pytest.mark.parametrize(
    "model",
    [
        FULL,
        Camera("Left", 512, 640, "uint8", rgb=True),
        Channel(name="FITC", emission_nm=520),
        Plate(None, rows=["A"], columns=["1"]),
        Position(name="a", x_um=0.0),
        Dimension(name="angle", coords=[0, 90.5], unit="degree"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_model_round_trips_through_json_and_yaml(model: StorageSchema) -> None:
    assert type(model).from_json(model.to_json()) == model
    assert type(model).from_yaml(model.to_yaml()) == model


def test_model_is_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        FULL.dtype = "uint8"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dimension(name="t", size=0), "greater than or equal to 1"),
        (lambda: Dimension(name="t", size=2, coords=[1.0]), "size is 2, but there are 1"),
        (lambda: Dimension(name="c", coords=[]), "must not be empty"),
        (lambda: Dimension(name="c", coords="DAPI"), "not one text"),
        (lambda: Dimension(name="bad name", size=1), "word of letters"),
        (lambda: Dimension(name="z", size=2, scale=0), "scale of 0"),
        (lambda: Dimension(name="z", size=2, wrong=1), "wrong"),
        (lambda: Channel(name="a", color="green"), "six hexadecimal"),
        (lambda: Camera("c", 4, 4, "complex64"), "uint8, uint16"),
        (lambda: Position(name="a", plate_row="A"), "together"),
        (lambda: Plate("p", rows=["A", "a"], columns=["1"]), "names repeat"),
        (lambda: StorageSchema(dimensions=[Dimension(name="t", size=1)], dtype="u1"), "y and x"),
        (
            lambda: StorageSchema(
                dimensions=[Dimension(name="t", size=2), Dimension(name="z"), *YX], dtype="u1"
            ),
            "only the first dimension may be unbounded",
        ),
        (
            lambda: StorageSchema(dimensions=[Dimension(name="p"), *YX], dtype="u1"),
            "neither positions",
        ),
        (
            lambda: StorageSchema(
                dimensions=[Dimension(name="t", size=2), *YX], dtype="u1", storage_order=["z"]
            ),
            "storage_order",
        ),
        (
            lambda: StorageSchema(
                dimensions=[Dimension(name="p", coords=["a"]), *YX],
                dtype="u1",
                plate=Plate("p", rows=["A"], columns=["1"]),
            ),
            "no position names a well",
        ),
        (
            lambda: StorageSchema(
                dimensions=[
                    Dimension(name="p", coords=[Position(plate_row="C", plate_column="1")]),
                    *YX,
                ],
                dtype="u1",
                plate=Plate("p", rows=["A"], columns=["1"]),
            ),
            "does not have",
        ),
        (lambda: StorageSchema.from_json("{"), "EOF"),
        (lambda: StorageSchema.from_yaml("- 1"), "mapping"),
        (lambda: StorageSchema.from_yaml("a: &a [*a]"), "contains the alias"),
        (lambda: StorageSchema.from_yaml("[" * 5000), "recursion"),
        (lambda: StorageSchema.from_yaml("a: 2026-99-99"), "month"),
    ],
)
def test_model_refuses_with_a_schema_error_that_says_why(make: object, words: str) -> None:
    with pytest.raises(SchemaError, match=words) as caught:
        make()  # type: ignore[operator]
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, PymmcoreOmeError)


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/b", "a\\b", "OME", "ome", "..", ".", "", " ", "zarr.json", "frames.jsonl", "con",
     "NUL.txt", "a:b", "a\n", "__x", "x" * 201, "dot."],
)  # fmt: skip
def test_position_name_that_would_leave_the_store_is_refused(name: str) -> None:
    with pytest.raises(UnsafeNameError):
        Position(name=name)
    with pytest.raises(UnsafeNameError):
        StorageSchema(dimensions=[Dimension(name="p", coords=[name]), *YX], dtype="uint8")


@pytest.mark.parametrize("name", ["../evil", "a/b", "fov_0", "", "1.5", "OME"])
def test_plate_name_that_is_no_letters_and_digits_is_refused(name: str) -> None:
    with pytest.raises(UnsafeNameError):
        Plate("p", rows=[name], columns=["1"])
    with pytest.raises(UnsafeNameError):
        Position(plate_row="A", plate_column=name)


def test_unsafe_text_is_kept_in_the_label() -> None:
    assert Position(name="a_b", label="a/b").label == "a/b"


@given(st.text())
def test_safe_name_is_always_safe_and_stable(text: str) -> None:
    name = safe_name(text)
    assert unsafe_reason(name) is None
    assert safe_name(name) == name
    if unsafe_reason(text) is None and len(text) <= 120:
        assert name == text
