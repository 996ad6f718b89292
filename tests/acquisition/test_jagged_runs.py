"""Sequences of every kind, run for real on the demo camera and compared by event."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from corpus import CORPUS
from helpers import index_of, listening, read_by_zarr, wait_until
from oracle import expected_places
from pymmcore_ome import errors

NAMES = [
    "sub grid", "sub z over z", "sub channels and z", "sub time in time",
    "sub time in time, with z", "sub autofocus and z", "sub with metadata only", "sub axis_order",
    "do_stack false", "acquire_every and do_stack", "grid order gpc", "many different subs",
    "sub and do_stack", "sub grid, random", "random unseeded", "empty",
]  # fmt: skip


def demo_channels(sequence: useq.MDASequence) -> useq.MDASequence:
    """Return the sequence with channels that the demo microscope has, and short times."""
    names = {"a": "DAPI", "b": "FITC", "c": "Rhodamine", "x": "DAPI", "y": "FITC", "Cy5": "FITC"}
    text = sequence.model_dump_json()
    for old, new in names.items():
        text = text.replace(f'"config":"{old}"', f'"config":"{new}"')
    for seconds in ("1.0", "9.0"):
        text = text.replace(f'"interval":{seconds}', '"interval":0.01')
    return useq.MDASequence.model_validate_json(text)


@pytest.mark.filterwarnings("ignore:Channels with skipped frames")
@pytest.mark.parametrize("name", NAMES)
def test_run_saves_every_delivered_frame_at_its_events_place(
    core: CMMCorePlus, tmp_path: Path, name: str
) -> None:
    sequence = demo_channels(CORPUS[name]())
    path = tmp_path / "a.ome.zarr"
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=path)
    dataset = po.open_dataset(path)
    assert po.validate(path) == []
    assert dataset.status == "complete"
    events = [event for _, event, _ in delivered]
    expected = {image.path: np.zeros(image.shape, "uint16") for image in dataset.images}
    for (pixels, event, _), (number, place) in zip(delivered, expected_places(events), strict=True):
        image = dataset.images[number]
        expected[image.path][tuple(place.get(axis, 0) for axis in image.axes[:-2])] = pixels
        if event.x_pos is not None:
            assert image.position.x_um == pytest.approx(event.x_pos)
    for image in dataset.images:
        np.testing.assert_array_equal(read_by_zarr(path, image.path), expected[image.path])
    assert [row["event_index"] for row in dataset.frames()] == [index_of(e) for e in events]


def test_saving_does_not_change_what_the_engine_does(core: CMMCorePlus, tmp_path: Path) -> None:
    for name in ("sub autofocus and z", "sub grid, random", "many different subs"):
        started: list[list[Any]] = [[], []]
        for number, output in enumerate((None, tmp_path / f"{name}.ome.zarr")):
            sequence = demo_channels(CORPUS[name]())

            def on_start(event: Any, seen: list[Any] = started[number]) -> None:
                seen.append((index_of(event), type(event.action).__name__))

            core.mda.events.eventStarted.connect(on_start)
            with po.install(core):
                core.mda.run(sequence, output=output)
            core.mda.events.eventStarted.disconnect(on_start)
        assert started[0] == started[1]


def indexed() -> list[useq.MDAEvent]:
    """Three times, two positions, two channels; the second position joins late."""
    return [
        useq.MDAEvent(
            index={"t": t, "p": p, "c": c},
            channel=["DAPI", "FITC"][c],
            x_pos=10.0 * p,
            y_pos=5.0,
            pos_name=f"cell {p}",
        )
        for t in range(3)
        for p in range(2)
        for c in range(2)
        if p == 0 or t > 0
    ]


def by_queue(events: Iterable[useq.MDAEvent]) -> Iterator[useq.MDAEvent]:
    """Events that another thread puts into a queue, as smart microscopes do."""
    waiting: queue.Queue[useq.MDAEvent | None] = queue.Queue()

    def produce() -> None:
        for event in events:
            waiting.put(event)
        waiting.put(None)

    threading.Thread(target=produce).start()
    return iter(waiting.get, None)


@pytest.mark.parametrize(
    "source", [iter, list, by_queue, lambda events: (e for e in events)],
    ids=["iterator", "list", "queue", "generator"],
)  # fmt: skip
def test_events_with_an_index_make_images_that_grow(
    core: CMMCorePlus, tmp_path: Path, source: Any
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.install(core), listening(core) as delivered:
        core.mda.run(source(indexed()), output=path)
    assert po.validate(path) == []
    dataset = po.open_dataset(path)
    assert [(i.path, i.label, i.axes) for i in dataset.images] == [
        ("0", "cell 0", ("t", "c", "z", "y", "x")), ("1", "cell 1", ("t", "c", "z", "y", "x")),
    ]  # fmt: skip
    assert [c.name for c in dataset.images[1].channels] == ["DAPI", "FITC"]
    assert dataset.images[1].position.x_um == pytest.approx(10, abs=0.05)
    expected = {image.path: np.zeros(image.shape, "uint16") for image in dataset.images}
    for pixels, event, _ in delivered:
        index = index_of(event)
        expected[str(index["p"])][index["t"], index["c"], 0] = pixels
    for image in dataset.images:
        assert image.shape[:3] == (3, 2, 1)
        np.testing.assert_array_equal(read_by_zarr(path, image.path), expected[image.path])


def test_events_without_an_index_follow_each_other_in_time(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    path = tmp_path / "a.ome.zarr"
    events = [
        useq.MDAEvent(
            channel=["DAPI", "FITC"][n % 2], x_pos=float(n), pos_name=f"cell {n}",
            metadata={"why": n},
        )
        for n in range(5)
    ]  # fmt: skip
    with po.install(core), listening(core) as delivered:
        core.mda.run(iter(events), output=path)
    assert po.validate(path) == []
    dataset = po.open_dataset(path)
    assert dataset.images[0].axes == ("t", "y", "x")
    np.testing.assert_array_equal(read_by_zarr(path, ""), [pixels for pixels, *_ in delivered])
    rows = dataset.frames()
    assert [row["index"] for row in rows] == [(n,) for n in range(5)]
    assert [row["event_index"] for row in rows] == [{}] * 5
    assert [row["channel"] for row in rows] == ["DAPI", "FITC", "DAPI", "FITC", "DAPI"]
    assert [row["metadata"]["pos_name"] for row in rows] == [f"cell {n}" for n in range(5)]
    assert [row["metadata"]["event_metadata"] for row in rows] == [{"why": n} for n in range(5)]
    assert [row["x_um"] for row in rows] == pytest.approx([0, 1, 2, 3, 4], abs=0.05)


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_event_index_that_repeats_without_a_plan_has_an_image_of_its_own(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    events = [useq.MDAEvent(index={"t": t, "p": p}) for t, p in [(0, 0), (1, 0), (0, 0), (0, 0)]]
    events += [useq.MDAEvent(index={"t": 0, "p": 1}), useq.MDAEvent(index={"t": 2, "p": 0})]
    with po.install(core), listening(core) as delivered:
        core.mda.run(iter(events), output=path)
    dataset = po.open_dataset(path)
    assert (dataset.status, po.validate(path, pixels=True)) == ("complete", [])
    assert [(image.shape[0], image.name) for image in dataset.images] == [
        (3, "Pos0"), (2, "Pos0_0001"), (1, "Pos1"),
    ]  # fmt: skip
    rows = dataset.frames()
    assert [row["event_index"] for row in rows] == [dict(event.index) for event in events]
    assert [row["metadata"].get("retake", False) for row in rows] == [False] * 2 + [True] * 2 + [
        False
    ] * 2
    places = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (0, 2)]
    for (image, t), (pixels, *_) in zip(places, delivered, strict=True):
        np.testing.assert_array_equal(np.squeeze(dataset.images[image][t]), pixels)


def test_positions_that_only_have_names_have_images_of_their_own(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    path = tmp_path / "a.ome.zarr"
    events = [useq.MDAEvent(index={"t": t}, pos_name=name) for t in range(2) for name in "AB"]
    with po.install(core):
        core.mda.run(iter(events), output=path)
    dataset = po.open_dataset(path)
    assert [(image.name, image.shape[0]) for image in dataset.images] == [("A", 2), ("B", 2)]
    assert [row["event_index"] for row in dataset.frames()] == [{"t": t} for t in (0, 0, 1, 1)]


def test_run_without_any_event_leaves_an_empty_store(core: CMMCorePlus, tmp_path: Path) -> None:
    with po.install(core):
        core.mda.run(iter(()), output=tmp_path / "a.ome.zarr")
    dataset = po.open_dataset(tmp_path / "a.ome.zarr")
    assert (dataset.status, dataset.frames()) == ("complete", [])


def test_growing_store_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    dims = [po.Dimension(name=name) for name in "tcz"]
    frame = [po.Dimension(name="y", size=2), po.Dimension(name="x", size=3)]
    schema = po.StorageSchema(dimensions=[*dims, *frame], dtype="uint16", grows=True)
    stream = po.open_stream(path, schema)
    assert po.open_dataset(path).images == []
    places = [{"t": 4}, {"p": 7, "c": 2}, {"z": 1, "t": 1}, {"p": 7, "g": 1}, {"angle": 1, "t": 2}]
    for number, at in enumerate(places):
        stream.append(np.full((2, 3), number + 1, "uint16"), at=at)
    wait_until(lambda: stream.progress.frames_written == 5)
    for _ in range(2):
        images = po.open_dataset(path).images
        assert [i.shape[:3] for i in images] == [(5, 1, 2), (1, 3, 1), (1, 1, 1), (3, 1, 1)]
        assert [int(images[0][4, 0, 0, 0, 0]), int(images[1][0, 2, 0, 0, 0])] == [1, 2]
        assert [int(images[2][0, 0, 0, 0, 0]), int(images[3][2, 0, 0, 0, 0])] == [4, 5]
        stream.close()
    assert po.validate(path) == []
    with pytest.raises(errors.StreamClosedError):
        stream.append(np.zeros((2, 3), "uint16"), at={"t": 9})


@pytest.mark.parametrize("at", [{"t": -1}, {"t": 1.5}, {"p": -1}, None])
def test_growing_store_refuses_what_is_no_place(tmp_path: Path, at: Any) -> None:
    dims = [po.Dimension(name=name) for name in "tcz"]
    frame = [po.Dimension(name="y", size=2), po.Dimension(name="x", size=3)]
    schema = po.StorageSchema(dimensions=[*dims, *frame], dtype="uint16", grows=True)
    with (
        po.open_stream(tmp_path / "a.ome.zarr", schema) as stream,
        pytest.raises(errors.PlacementError),
    ):
        stream.append(np.zeros((2, 3), "uint16"), at=at)
