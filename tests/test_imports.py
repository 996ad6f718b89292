"""What a first import, stream or reading imports, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
from ome_types import from_xml

import pymmcore_ome as po
from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.disk import read_description

#: What takes long to import, or starts threads.
HEAVY = frozenset(
    {"filelock", "imagecodecs", "lxml", "numpy", "ome_types", "psutil", "pydantic", "pymmcore_plus",
     "qtpy", "rich", "tensorstore", "tifffile", "typer", "useq", "xsdata", "yaml", "yaozarrs",
     "zarr"}
)  # fmt: skip
#: What nobody needs who looks at a store and at its frame table.
UNNEEDED_TO_READ = HEAVY - {"numpy", "pydantic", "rich", "typer"}
SCHEMA = StorageSchema(
    dimensions=[
        Dimension(name="c", coords=["DAPI", "a \"quoted\" <name> & 'more'"]),
        Dimension(name="y", size=6, scale=0.1, unit="micrometer"),
        Dimension(name="x", size=8, scale=0.1, unit="micrometer"),
    ],
    dtype="uint16",
)
OPEN = """
import pymmcore_ome as po
schema = po.StorageSchema.from_json(sys.argv[2])
stream = po.open_stream(sys.argv[1], schema, buffer_bytes=1 << 20)
"""


def ran(code: str, *arguments: object) -> frozenset[str]:
    """Run Python code in a process of its own; return which heavy packages it has imported."""
    report = f"""
import json
print(json.dumps(sorted({set(HEAVY)!r} & set(sys.modules))))
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{report}", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def made(path: Path) -> Path:
    """Make a complete store."""
    with po.open_stream(path, SCHEMA) as stream:
        for value in (1, 2):
            stream.append(np.full((6, 8), value, "uint16"))
    return path


def test_the_package_imports_nothing_before_a_name_is_used() -> None:
    assert ran("import pymmcore_ome; dir(pymmcore_ome); pymmcore_ome.errors") == frozenset()


def test_every_public_name_can_be_imported_first() -> None:
    assert set(po.__all__) == {name for name in dir(po) if name != "__version__"}
    for name in ("Camera", "FrameRouter", "available_backends", "validate", "Summary"):
        assert "pymmcore_plus" not in ran(f"from pymmcore_ome import {name}")
    ran("from pymmcore_ome import *")


def test_a_first_zarr_stream_makes_no_xml_before_it_is_closed(tmp_path: Path) -> None:
    imported = ran(OPEN, tmp_path / "a.ome.zarr", SCHEMA.to_json())
    assert imported <= {"filelock", "numpy", "psutil", "pydantic", "yaozarrs"}


def test_a_first_tiff_stream_needs_neither_ngff_nor_a_microscope(tmp_path: Path) -> None:
    imported = ran(OPEN, tmp_path / "a.ome.tiff", SCHEMA.to_json())
    assert not imported & {"yaozarrs", "pymmcore_plus", "useq", "tifffile", "typer", "rich"}


@pytest.mark.parametrize("suffix", ["ome.zarr", "ome.tiff"])
def test_opening_a_dataset_imports_no_library_of_documents(tmp_path: Path, suffix: str) -> None:
    path = made(tmp_path / f"a.{suffix}")
    code = "import pymmcore_ome; pymmcore_ome.open_dataset(sys.argv[1]).frames()"
    assert not ran(code, path) & UNNEEDED_TO_READ


@pytest.mark.parametrize("suffix", ["ome.zarr", "ome.tiff"])
@pytest.mark.parametrize("command", ["info", "frames"])
def test_a_command_that_looks_at_a_store_imports_no_library_of_documents(
    tmp_path: Path, suffix: str, command: str
) -> None:
    path = made(tmp_path / f"a.{suffix}")
    code = f"""
from pymmcore_ome.cli.app import ended
sys.argv = ["pymmcore-ome", {command!r}, sys.argv[1]]
assert ended() == 0
"""
    assert not ran(code, path) & UNNEEDED_TO_READ


@pytest.mark.parametrize("suffix", ["ome.zarr", "ome.tiff"])
def test_a_stream_is_written_and_closed_without_lxml(tmp_path: Path, suffix: str) -> None:
    """A close once ended in a segmentation fault in lxml's SAX handler."""
    path = tmp_path / f"a.{suffix}"
    write = "import numpy\nstream.append(numpy.ones((6, 8), 'uint16'))\nstream.skip()\n"
    ran(f"sys.modules['lxml'] = None\n{OPEN}{write}stream.close()", path, SCHEMA.to_json())
    if suffix == "ome.zarr":
        yaozarrs.validate_zarr_store(str(path))
        xml = (path / "OME" / "METADATA.ome.xml").read_bytes()
    else:
        xml = read_description(path) or b""
    (image,) = from_xml(xml, validate=True).images
    names = [channel.name for channel in SCHEMA.dimensions[0].channels]
    assert [channel.name for channel in image.pixels.channels] == names
