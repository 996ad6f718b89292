"""A store that was closed, or whose program died, is opened again and filled."""

from __future__ import annotations

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome.backends.zarr import documents as zarr_documents
from pymmcore_ome.stream import run_report
from pymmcore_ome.stream.writer import FrameCommitter

FORMS = {
    "native": ("native", "n.ome.zarr", {}),
    "native compressed": ("native", "n.ome.zarr", {"compression": "zstd"}),
    "native tiles": ("native", "n.ome.zarr", {"chunks": {"y": 16}}),
    "native files": ("native", "n.ome.zarr", {"shards": False}),
    "native levels": ("native", "n.ome.zarr", {"levels": 2}),
    "tensorstore": ("tensorstore", "n.ome.zarr", {}),
    "tensorstore gathered": ("tensorstore", "n.ome.zarr", {"chunks": "auto"}),
    "tensorstore shards": ("tensorstore", "n.ome.zarr", {"shards": {"t": 4}}),
    "zarr-python": ("zarr-python", "n.ome.zarr", {"chunks": {"t": 2}}),
    "tiff": ("tiff", "n.ome.tiff", {}),
    "tiff compressed": ("tiff", "n.ome.tiff", {"compression": "zstd"}),
    "tiff folder": ("tiff", "n.ome.tiff", {"files": "per-position"}),
    "tiff classic": ("tiff", "n.ome.tiff", {"bigtiff": False}),
    "tiff levels": ("tiff", "n.ome.tiff", {"levels": 3, "compression": "zstd"}),
}
PLACES = [{"t": t, "p": p, "c": c} for t in range(6) for p in range(2) for c in range(2)]


def schema(**changes):
    fields = {
        "dimensions": [
            po.Dimension(name="t", size=6),
            po.Dimension(name="p", coords=["left", "right"]),
            po.Dimension(name="c", coords=["DAPI", "FITC"]),
            po.Dimension(name="y", size=40, scale=0.5, unit="micrometer"),
            po.Dimension(name="x", size=32, scale=0.5, unit="micrometer"),
        ],
        "dtype": "uint16",
        **changes,
    }
    return po.StorageSchema(**fields)


def frame(number):
    return np.random.default_rng(number).integers(1, 60_000, (40, 32)).astype("uint16")


def fill(stream, numbers):
    for number in numbers:
        stream.append(frame(number), at=PLACES[number], metadata={"delta_t_s": number / 10})


def assert_whole(path):
    assert po.validate(path, pixels=True) == []
    dataset = po.open_dataset(path)
    assert (dataset.status, dataset.record.reason) == ("complete", None)
    for number, at in enumerate(PLACES):
        stored = dataset.images[at["p"]][at["t"], at["c"]]
        np.testing.assert_array_equal(stored, frame(number))
    return dataset


@pytest.mark.parametrize("form", FORMS)
def test_a_canceled_store_is_filled_in_three_parts(tmp_path, form):
    backend, name, options = FORMS[form]
    path = tmp_path / name
    parts = [range(9), (12, 9, 15), [n for n in range(9, 24) if n not in (9, 12, 15)]]
    for number, part in enumerate(parts):
        stream = po.open_stream(path, schema(), backend=backend, resume=True, **options)
        assert stream.is_resumed == (number > 0)
        fill(stream, part)
        np.testing.assert_array_equal(stream.view(0)[0, 0], frame(0))
        stream.close(status="complete" if number == 2 else "canceled")
    dataset = assert_whole(path)
    assert [run["frames"] for run in dataset.runs] == [9, 3, 12]
    assert [run["status"] for run in dataset.runs] == ["canceled", "canceled", "complete"]
    assert [row["event_index"] for row in dataset.frames()[:9]] == PLACES[:9]
    levels = options.get("levels", 1)
    assert [len(image.levels) for image in dataset.images] == [levels, levels]


@pytest.mark.parametrize("backend", ["native", "tensorstore", "zarr-python", "tiff"])
def test_frames_in_the_order_of_the_plan_skip_what_is_stored(tmp_path, backend):
    path = tmp_path / ("n.ome.tiff" if backend == "tiff" else "n.ome.zarr")
    with po.open_stream(path, schema(), backend=backend) as stream:
        fill(stream, [0, 1, 2, 5])
    with po.open_stream(path, schema(), backend=backend, resume=True) as stream:
        for number in [3, 4, *range(6, 24)]:
            stream.append(frame(number))
    assert_whole(path)


def test_a_whole_store_stays_whole(tmp_path):
    path, ended = tmp_path / "n.ome.zarr", []
    for _ in range(2):
        with po.open_stream(path, schema(), resume=True) as stream:
            if not stream.is_resumed:
                fill(stream, range(24))
        assert stream.close().frames_missing == 0
        ended.append(po.open_dataset(path).record.ended)
    assert str(run_report(stream.close())).startswith("Nothing to acquire: the store has all 24")
    assert [run["frames"] for run in assert_whole(path).runs] == [24]
    assert ended[0] == ended[1]


def test_a_frame_that_is_lost_in_a_resumed_run_is_missed(tmp_path, monkeypatch):
    path = tmp_path / "n.ome.zarr"
    with po.open_stream(path, schema()) as stream:
        fill(stream, range(20))
    stream = po.open_stream(path, schema(), resume=True)
    commit = FrameCommitter.commit

    def losing(self, frames, nbytes, image_count):
        commit(self, list(frames)[1:], nbytes, image_count)

    monkeypatch.setattr(FrameCommitter, "commit", losing)
    fill(stream, range(20, 24))
    with pytest.raises(po.errors.WriteError, match=r"[1-4] of 24 frames were not written"):
        stream.close()
    assert po.open_dataset(path).status == "failed"


def test_windows_of_a_resumed_store_are_those_of_all_its_frames(tmp_path):
    with po.open_stream(tmp_path / "whole.ome.zarr", schema()) as stream:
        fill(stream, range(24))
    for part in (range(20), range(20, 24)):
        with po.open_stream(tmp_path / "n.ome.zarr", schema(), resume=True) as stream:
            fill(stream, part)
    whole, parts = (po.open_dataset(tmp_path / name) for name in ("whole.ome.zarr", "n.ome.zarr"))
    assert whole.record.contrast == parts.record.contrast


@pytest.mark.parametrize("name", ["n.ome.zarr", "n.ome.tiff"])
def test_an_empty_folder_is_used(tmp_path, name):
    (tmp_path / name).mkdir()
    with po.open_stream(tmp_path / name, schema(), resume=True) as stream:
        fill(stream, range(24))
    assert_whole(tmp_path / name)


def test_a_stored_frame_is_not_overwritten(tmp_path):
    path = tmp_path / "n.ome.zarr"
    with po.open_stream(path, schema()) as stream:
        fill(stream, [0])
    with po.open_stream(path, schema(), resume=True) as stream:
        assert stream.holds(PLACES[0])
        assert not stream.holds(PLACES[1])
        with pytest.raises(po.errors.RepeatedFrameError):
            stream.append(frame(7), at=PLACES[0])
    np.testing.assert_array_equal(po.open_dataset(path).images[0][0, 0], frame(0))


@pytest.mark.parametrize("backend", ["native", "tiff"])
def test_verify_acquires_damaged_frames_again(tmp_path, backend):
    path = tmp_path / ("n.ome.tiff" if backend == "tiff" else "n.ome.zarr")
    with po.open_stream(path, schema(), backend=backend) as stream:
        fill(stream, range(24))
    file = path if backend == "tiff" else next((path / "0/0/c").rglob("0"))
    while file.is_dir():
        file = next(file.iterdir())
    content = file.read_bytes()
    at = content.index(frame(0).tobytes())
    file.write_bytes(content[:at] + b"\xff" * 64 + content[at + 64 :])
    with po.open_stream(path, schema(), backend=backend, resume="verify") as stream:
        assert not stream.holds(PLACES[0])
        assert stream.holds(PLACES[1])
        fill(stream, [0])
    assert_whole(path)


@pytest.mark.parametrize(
    ("changes", "options", "named"),
    [
        ({"dtype": "uint8"}, {}, "dtype"),
        ({}, {"compression": "zstd"}, "compression"),
        ({}, {"chunks": {"y": 20}}, "chunks of image"),
        ({}, {"shards": False}, "shards of image"),
        ({}, {"levels": 2}, "levels"),
        ({}, {"backend": "tensorstore"}, "backend"),
        ({}, {"backend": "acquire-zarr"}, "cannot open them again"),
        ({"dimensions": [po.Dimension(name="y", size=40), po.Dimension(name="x", size=32)]}, {},
         "schema.dimensions"),
    ],
)  # fmt: skip
def test_a_difference_is_refused_and_changes_nothing(tmp_path, changes, options, named):
    if options.get("backend") == "acquire-zarr":
        pytest.importorskip("acquire_zarr")
    path = tmp_path / "n.ome.zarr"
    with po.open_stream(path, schema()) as stream:
        fill(stream, [0])
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(po.errors.ResumeError, match="cannot be resumed") as caught:
        po.open_stream(path, schema(**changes), resume=True, **options)
    assert named in str(caught.value)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_a_store_that_grows_is_refused(tmp_path):
    grows = schema(
        dimensions=[
            po.Dimension(name="t"), po.Dimension(name="y", size=40), po.Dimension(name="x", size=32)
        ]
    )  # fmt: skip
    path = tmp_path / "n.ome.zarr"
    with po.open_stream(path, grows) as stream:
        stream.append(frame(0), at={"t": 0})
    with pytest.raises(po.errors.ResumeError):
        po.open_stream(path, grows, resume=True)


@pytest.mark.parametrize("form", ["tiff", "native"])
def test_a_store_without_its_frame_table_is_not_acquired_again(tmp_path, form):
    backend, name, options = FORMS[form]
    path = tmp_path / name
    with po.open_stream(path, schema(), backend=backend, **options) as stream:
        fill(stream, range(24))
    table = po.open_dataset(path).location.table
    table.rename(tmp_path / "elsewhere")
    (problem,) = po.validate(path, pixels=True)
    assert "is not next to its store" in problem
    with pytest.raises(po.errors.ResumeError, match="Move or rename it together"):
        po.open_stream(path, schema(), backend=backend, resume=True, **options)
    (tmp_path / "elsewhere").rename(table)
    assert po.validate(path, pixels=True) == []


@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("files", ["one", "per-position"])
@pytest.mark.parametrize("is_big", [True, False])
def test_a_tiff_of_the_other_form_is_refused(tmp_path, is_big, files, compression):
    path, options = tmp_path / "n.ome.tiff", {"files": files, "compression": compression}
    with po.open_stream(path, schema(), bigtiff=is_big, **options) as stream:
        fill(stream, range(9))
    with pytest.raises(po.errors.ResumeError, match=f"bigtiff: {is_big} there, {not is_big} now"):
        po.open_stream(path, schema(), bigtiff=not is_big, resume=True, **options)
    with po.open_stream(path, schema(), bigtiff=is_big, resume=True, **options) as stream:
        fill(stream, range(9, 24))
    assert_whole(path)


@pytest.mark.parametrize("files", ["one", "per-position"])
def test_a_tiff_in_other_files_is_refused(tmp_path, files):
    path = tmp_path / "n.ome.tiff"
    with po.open_stream(path, schema(), files=files) as stream:
        fill(stream, range(9))
    other = "per-position" if files == "one" else "one"
    with pytest.raises(po.errors.ResumeError, match="format: ome-tiff"):
        po.open_stream(path, schema(), files=other, resume=True)
    with po.open_stream(path, schema(), files=files, resume=True) as stream:
        fill(stream, range(9, 24))
    assert_whole(path)


def test_every_difference_is_named_at_once(tmp_path):
    with po.open_stream(tmp_path / "n.ome.zarr", schema()) as stream:
        fill(stream, range(9))
    with pytest.raises(po.errors.ResumeError) as raised:
        po.open_stream(
            tmp_path / "n.ome.zarr", schema(), resume=True,
            compression="zstd", shards=False, chunks={"y": 20}, levels=2,
        )  # fmt: skip
    for name in ("schema.compression", "levels", "chunks of image", "shards of image"):
        assert name in str(raised.value)


def test_resume_and_overwrite_exclude_each_other(tmp_path):
    with pytest.raises(po.errors.OptionError, match="exclude each other"):
        po.open_stream(tmp_path / "n.ome.zarr", schema(), resume=True, overwrite=True)


def test_a_store_that_is_being_written_is_refused(tmp_path):
    path = tmp_path / "n.ome.zarr"
    with po.open_stream(path, schema()) as stream:
        fill(stream, [0])
        with pytest.raises(po.errors.StoreExistsError):
            po.open_stream(path, schema(), resume=True)


def test_a_disk_that_was_full_is_filled_later(tmp_path, monkeypatch):
    path = tmp_path / "n.ome.zarr"

    def full(*_):
        raise OSError(28, "No space left on device")

    stream = po.open_stream(path, schema())
    fill(stream, range(5))
    monkeypatch.setattr("pymmcore_ome.backends.zarr.native.NativeBackend._write_file", full)
    with pytest.raises(po.errors.WriteError):
        for number in range(5, 24):
            stream.append(frame(number), at=PLACES[number])
        stream.close()
    monkeypatch.undo()
    with po.open_stream(path, schema(), resume=True) as stream:
        fill(stream, [n for n in range(24) if not stream.holds(PLACES[n])])
    assert_whole(path)


def test_a_reopening_that_fails_leaves_every_frame(tmp_path, monkeypatch):
    path = tmp_path / "n.ome.zarr"
    with po.open_stream(path, schema()) as stream:
        fill(stream, range(9))
    content = zarr_documents.array_content
    stream = po.open_stream(path, schema(), resume=True)

    def failing(*values, at_end=True, **options):
        if not at_end:
            raise OSError("the disk is gone")
        return content(*values, at_end=at_end, **options)

    monkeypatch.setattr("pymmcore_ome.backends.zarr.native.array_content", failing)
    with pytest.raises(po.errors.WriteError):
        fill(stream, [9])
        stream.close()
    monkeypatch.undo()
    assert len(po.open_dataset(path).frames()) == 9
    with po.open_stream(path, schema(), resume=True) as stream:
        fill(stream, range(9, 24))
    assert_whole(path)
