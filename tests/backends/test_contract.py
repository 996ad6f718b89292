"""Every backend passes the contract that is shipped for third parties."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zarr

import pymmcore_ome as po
from pymmcore_ome import errors
from pymmcore_ome.backends import find_backend, registry
from pymmcore_ome.backends.tiff.backend import TiffBackend
from pymmcore_ome.backends.zarr import zarr_python
from pymmcore_ome.backends.zarr.acquire import AcquireZarrBackend
from pymmcore_ome.backends.zarr.native import NativeBackend
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend
from pymmcore_ome.backends.zarr.zarr_python import ZarrPythonBackend
from pymmcore_ome.testing.backend_contract import (
    SequentialZarrContract,
    TiffContract,
    ZarrContract,
    loops,
)

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


class TestNative(ZarrContract):
    backend = NativeBackend


class TestTensorstore(ZarrContract):
    backend = TensorstoreBackend


class TestZarrPython(ZarrContract):
    backend = ZarrPythonBackend

    @pytest.fixture(autouse=True)
    def without_zarrs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(zarr_python, "zarrs_settings", dict)


class TestZarrPythonWithZarrs(ZarrContract):
    backend = ZarrPythonBackend

    @pytest.fixture(autouse=True)
    def strictly(self) -> Iterator[None]:
        """Let zarrs raise what it cannot do, instead of leaving it to zarr-python."""
        with zarr.config.set({"codec_pipeline.strict": True}):
            yield


class TestAcquireZarr(SequentialZarrContract):
    backend = AcquireZarrBackend
    compressions = (None, "blosc", "blosc:0", "blosc:9")


class TestTiff(TiffContract):
    backend = TiffBackend


class BrokenBackend(TensorstoreBackend):
    """Writes every block one place too far: the contract must notice."""

    name = "broken"

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        last = self._images[image].shape[0] - 1
        return super().write(image, (min(start[0] + 1, last), *start[1:]), block)


def test_contract_notices_a_backend_that_misplaces(tmp_path: Path) -> None:
    contract = ZarrContract()
    contract.backend = BrokenBackend  # type: ignore[misc]
    path, schema = tmp_path / "a.ome.zarr", loops({"t": 3})
    numbers = contract.write(path, schema)
    with pytest.raises(AssertionError):
        contract.check(path, schema, numbers)


def test_backends_are_found_by_name() -> None:
    assert {"native", "tensorstore", "zarr-python", "acquire-zarr", "tiff"} <= set(
        po.available_backends()
    )
    assert find_backend(None, "ome-zarr") is NativeBackend
    assert find_backend("tensorstore", "ome-zarr") is TensorstoreBackend
    assert find_backend("zarr-python", "ome-zarr") is ZarrPythonBackend
    assert find_backend("acquire-zarr", "ome-zarr") is AcquireZarrBackend
    assert find_backend(None, "ome-tiff") is TiffBackend
    with pytest.raises(errors.OptionError, match="not available"):
        find_backend("hdf5", "ome-tiff")
    with pytest.raises(errors.OptionError, match="writes ome-zarr"):
        find_backend("tensorstore", "ome-tiff")


@pytest.mark.parametrize(("name", "extra"), [("zarr-python", "zarr"), ("acquire-zarr", "acquire")])
def test_backend_whose_library_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    monkeypatch.setattr(registry, "_load", lambda entry: None)
    with pytest.raises(errors.OptionError) as raised:
        find_backend(name, "ome-zarr")
    assert f'pip install ".[{extra}]"' in str(raised.value)
    assert f"\n{extra} = [" in PYPROJECT.read_text(encoding="utf-8")
