"""`convert`: what the command writes, shows, and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po

from .processes import command


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of two images of two frames, 300 x 200 pixels."""
    dims = [po.Dimension(name="p", coords=["left", "right"]), po.Dimension(name="t", size=2)]
    dims += [po.Dimension(name=name, size=n) for name, n in (("y", 200), ("x", 300))]
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, po.StorageSchema(dimensions=dims, dtype="uint8")) as stream:
        for number in range(4):
            stream.append(np.full((200, 300), number + 1, "uint8"))
    return path


def test_convert_copies_verifies_and_shows_a_store(store: Path) -> None:
    cwd = store.parent
    done = command(
        "convert", "a.ome.zarr", "b.ome.tiff", "--compression", "zstd", "--levels", "auto", cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    assert "Copied and read back 4 frames, 240.0 kB" in done.stdout
    assert "300 x 200 > 150 x 100 (mean)" in done.stdout
    assert command("validate", "b.ome.tiff", "--pixels", cwd=cwd).returncode == 0
    done = command(
        "convert", "b.ome.tiff", "c.ome.zarr", "--image", "1", "--no-verify", "--json", cwd=cwd
    )
    found = json.loads(done.stdout)
    assert (found["frames"], found["pixel_bytes"], found["status"]) == (2, 120_000, "complete")
    assert [image.name for image in po.open_dataset(cwd / "c.ome.zarr").images] == ["right"]
    again = command("convert", "b.ome.tiff", "c.ome.zarr", cwd=cwd)
    assert (again.returncode, "--overwrite" in again.stderr) == (1, True)


def test_dry_run_shows_the_work_and_writes_nothing(store: Path) -> None:
    words = ("convert", "a.ome.zarr", "b.ome.zarr", "--levels", "2", "--chunks", "y=100,x=150")
    shown = command(*words, "--workers", "1", "--dry-run", cwd=store.parent)
    assert shown.returncode == 0, shown.stderr
    assert "4 in 2 images, 240.0 kB and 60.0 kB of levels" in shown.stdout
    assert "2 x 200 x 300 uint8, levels 2; chunks 1 x 100 x 150" in shown.stdout
    assert "Nothing was written." in shown.stdout
    found = json.loads(command(*words, "--dry-run", "--json", cwd=store.parent).stdout)
    assert (found["frames"], found["images"], found["level_bytes"]) == (4, 2, 60_000)
    assert not (store.parent / "b.ome.zarr").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--image", "middle"], 1, "no image 'middle'"),
        (["--workers", "0"], 1, "workers"),
        (["--levels", "many"], 2, "2 to 8"),
        (["--chunks", "q=3"], 1, "axis 'q'"),
        (["--resume", "--overwrite"], 1, "exclude each other"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    store: Path, options: list[str], code: int, words: str
) -> None:
    done = command("convert", "a.ome.zarr", "b.ome.zarr", *options, cwd=store.parent)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (store.parent / "b.ome.zarr").exists()
