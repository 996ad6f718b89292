"""Metadata of a user's own, and pymmcore-plus's where its own writer keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from pymmcore_ome import errors
from pymmcore_ome.disk import read_description
from pymmcore_ome.frames import plane_metadata

STORES = pytest.mark.parametrize(
    ("name", "options"),
    [("a.ome.zarr", {}), ("a.ome.tiff", {}), ("a.ome.tiff", {"files": "per-position"})],
    ids=["zarr", "tiff", "folder"],
)  # fmt: skip
SEQUENCE = useq.MDASequence(
    stage_positions=[(0, 0), (1, 1)], channels=["DAPI"], time_plan={"interval": 0, "loops": 2}
)
SAMPLE: dict[str, Any] = {"operator": 'Zoë <O\'Neil> & "co"', "dose": 1.5, "days": [1, 2], "": "é"}


def xml_of(path: Path) -> bytes:
    if path.suffix == ".zarr":
        return (path / "OME" / "METADATA.ome.xml").read_bytes()
    file = path / "0.ome.tiff" if path.is_dir() else path
    return read_description(file) or b""


def maps_of(path: Path) -> dict[str | None, dict[str, str]]:
    """The MapAnnotations of a store's OME-XML, read by ome-types."""
    assert b"&#" not in xml_of(path)  # Bio-Formats cannot read it
    found = ome_types.from_xml(xml_of(path).decode())
    assert found.structured_annotations is not None
    return {
        one.namespace: {m.k or "": m.value for m in one.value.ms}
        for one in found.structured_annotations.map_annotations
    }


@STORES
def test_annotations_of_a_run_are_kept_and_read_back(
    core: CMMCorePlus, tmp_path: Path, name: str, options: Any
) -> None:
    path = tmp_path / name
    output = po.Output(path, overwrite=True, **options)
    output.annotate("sample", SAMPLE)
    core.mda.events.frameReady.connect(lambda *_: output.annotate("notes", {"seen": True}))
    with po.install(core):
        core.mda.run(SEQUENCE, output=output)
    kept = {"sample": SAMPLE, "notes": {"seen": True}}
    assert po.open_dataset(path).annotations == kept
    assert po.validate(path, pixels=True) == []
    maps = maps_of(path)
    assert maps["sample"]["operator"] == SAMPLE["operator"]
    assert (maps["sample"]["days"], maps["notes"]["seen"]) == ("[1, 2]", "true")


@STORES
def test_closed_store_is_annotated_and_changes_in_nothing_else(
    core: CMMCorePlus, tmp_path: Path, name: str, options: Any
) -> None:
    path = tmp_path / name
    with po.install(core):
        core.mda.run(SEQUENCE, output=po.Output(path, **options))
    before = po.open_dataset(path)
    pixels, xml = [image[...] for image in before.images], xml_of(path)
    po.annotate(path, "sample", {"a": 1, "b": 2})
    after = po.annotate(path, "sample", {"b": 3})
    assert after.annotations == {"sample": {"a": 1, "b": 3}}
    assert (after.record.ended, after.status) == (before.record.ended, "complete")
    assert after.frames() == before.frames()
    for image, expected in zip(after.images, pixels, strict=True):
        np.testing.assert_array_equal(image[...], expected)
    assert po.validate(path, pixels=True) == []
    old, new = (ome_types.from_xml(text.decode()) for text in (xml, xml_of(path)))
    assert (old.images, old.instruments) == (new.images, new.instruments)


@pytest.mark.parametrize(
    ("namespace", "mapping"),
    [("", {}), (3, {}), ("ome", {}), ("pymmcore_ome", {}), ("a", [1]), ("a", {1: 2})],
)
def test_annotation_that_cannot_be_kept_is_refused(
    tmp_path: Path, small_schema: po.StorageSchema, namespace: Any, mapping: Any
) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", small_schema) as stream:
        with pytest.raises(errors.OptionError):
            stream.annotate(namespace, mapping)
        with pytest.raises(errors.StoreExistsError):
            po.annotate(tmp_path / "a.ome.zarr", "a", {})
    with pytest.raises(errors.StreamClosedError):
        stream.annotate("a", {})


@STORES
def test_summary_metadata_is_where_pymmcore_plus_keeps_it(
    core: CMMCorePlus, tmp_path: Path, name: str, options: Any
) -> None:
    path = tmp_path / name
    with po.install(core):
        core.mda.run(SEQUENCE, output=po.Output(path, **options))
    summary = json.loads(maps_of(path)["pymmcore_plus"]["summary_metadata_json"])
    if path.suffix == ".zarr":
        attributes = json.loads((path / "zarr.json").read_text())["attributes"]
        assert attributes["pymmcore_plus"]["summary_metadata"] == summary
    assert summary["image_infos"][0]["camera_label"] == "Camera"
    assert useq.MDASequence(**summary["mda_sequence"]).channels[0].config == "DAPI"


@pytest.mark.parametrize("options", [{}, {"files": "per-position"}], ids=["tiff", "folder"])
def test_planes_of_a_tiff_keep_the_metadata_of_their_frames(
    core: CMMCorePlus, tmp_path: Path, options: Any
) -> None:
    path = tmp_path / "a.ome.tiff"
    sequence = SEQUENCE.replace(channels=["DAPI", "FITC", "Cy7"])
    with po.install(core):
        core.mda.run(sequence, output=po.Output(path, unready="record", **options))
    assert po.validate(path, pixels=True) == [
        one for one in po.validate(path) if "not_as_asked" in one
    ]
    rows = po.open_dataset(path).frames()
    files = sorted(path.glob("*.tiff")) if path.is_dir() else [path]
    seen = 0
    for number, file in enumerate(files):
        found = ome_types.from_xml((read_description(file) or b"").decode())
        assert found.structured_annotations is not None
        maps = {
            one.id: {m.k: m.value for m in one.value.ms}
            for one in found.structured_annotations.map_annotations
            if one.namespace == "pymmcore_ome/frame"
        }
        assert len(maps) == 3, "one for all planes of a channel"
        for image_number, image in enumerate(found.images, number):
            name = po.open_dataset(path).images[image_number].path
            for plane in image.pixels.planes:
                (row,) = (
                    row
                    for row in rows
                    if row["image"] == name and tuple(row["index"]) == (plane.the_t, plane.the_c)
                )
                (reference,) = plane.annotation_refs
                kept = maps[reference.id]
                assert set(kept) == set(row["metadata"])
                assert kept["camera_device"] == row["metadata"]["camera_device"]
                assert json.loads(kept["property_values"]) == row["metadata"]["property_values"]
                assert ("not_as_asked" in kept) == (plane.the_c == 2)
                seen += 1
    assert seen == len(rows) == 12


def test_metadata_that_differ_in_every_plane_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plane_metadata, "_MOST_NOTE_BYTES", 100)
    path = tmp_path / "a.ome.tiff"
    dims = [po.Dimension(name="t", size=9), po.Dimension(name="y", size=4)]
    schema = po.StorageSchema(dimensions=[*dims, po.Dimension(name="x", size=4)], dtype="uint8")
    with po.open_stream(path, schema) as stream:
        for number in range(9):
            odd = {"text": f'<{number}>&"\n\x00', "nan": float("nan")}
            stream.append(np.full((4, 4), number, "uint8"), metadata=odd)
    assert po.validate(path, pixels=True) == []
    assert b"&#" not in xml_of(path)
    found = ome_types.from_xml(xml_of(path).decode())
    noted = [len(plane.annotation_refs) for plane in found.images[0].pixels.planes]
    assert noted == [1] * 2 + [0] * 7
    assert [row["metadata"]["text"] for row in po.open_dataset(path).frames()] == [
        f'<{number}>&"\n\x00' for number in range(9)
    ]
    po.annotate(path, "sample", SAMPLE)
    assert po.validate(path, pixels=True) == []
