"""A program that dies while it replaces a store: the old one can be put back, the path is free."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome.cli.stores import show_store
from pymmcore_ome.disk import location
from pymmcore_ome.errors import NotAStoreError, StoreExistsError
from pymmcore_ome.testing.backend_contract import loops

FORMS: dict[str, dict[str, str]] = {
    "a.ome.zarr": {},
    "a.ome.tiff": {},
    "b.ome.tiff": {"files": "per-position"},
}

#: Opens a stream over the store, and dies at the n-th call of an operating system's function.
DIE = """
import json, os, sys
import pymmcore_ome as po
from pymmcore_ome.testing.backend_contract import loops

path, wanted, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
calls = 0

def dying(call):
    def counted(*arguments, **keywords):
        global calls
        if any(str(a).startswith(os.path.dirname(path)) for a in arguments):
            calls += 1
            if calls == wanted:
                os._exit(9)
        return call(*arguments, **keywords)
    return counted

for name in ("rename", "replace", "mkdir", "open", "unlink", "rmdir"):
    setattr(os, name, dying(getattr(os, name)))
po.open_stream(path, loops({"t": 1, "p": 2}), overwrite=True, **options)
print(calls)
os._exit(0)
"""


def store(path: Path, **options: object) -> dict[Path, bytes]:
    """Make a complete store; return the content of its folder."""
    with po.open_stream(path, loops({"t": 2, "p": 2}), **options) as stream:  # type: ignore[arg-type]
        for number in range(4):
            stream.append(np.full((6, 8), number + 1, "uint16"))
    return content(path.parent)


def content(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def state_of(path: Path) -> str:
    """Return which store is at a path, or that the old one was set aside."""
    try:
        return "new" if po.open_dataset(path).schema.dimensions[0].size == 1 else "old"
    except NotAStoreError as error:
        return "aside" if "pymmcore-ome recover" in str(error) else str(error)


@pytest.mark.parametrize("name", FORMS)
def test_old_store_is_there_or_can_be_put_back_whenever_the_program_dies(
    tmp_path: Path, name: str
) -> None:
    options = FORMS[name]
    wanted = 1
    states = set()
    while True:
        path = tmp_path / str(wanted) / name
        path.parent.mkdir()
        before = store(path, **options)
        done = subprocess.run(
            [sys.executable, "-c", DIE, str(path), str(wanted), json.dumps(options)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            break
        assert done.returncode == 9, done.stderr
        state = state_of(path)
        states.add(state)
        if state == "aside":
            with pytest.raises(StoreExistsError, match="recover"):
                po.open_stream(path, loops({"t": 1}), **options)  # type: ignore[arg-type]
        if state != "new":
            po.recover(path)
            assert po.validate(path, pixels=True) == []
            after = content(path.parent)
            assert {file: after[file] for file in before} == before
        po.open_stream(path, loops({"t": 1}), overwrite=True, **options).close()  # type: ignore[arg-type]
        assert po.open_dataset(path).schema.dimensions[0].size == 1
        wanted += 1 if wanted < 6 else 9
    assert {"old", "aside"} <= states <= {"new", "old", "aside"}


@pytest.mark.parametrize("wanted", [6, 8])
@pytest.mark.parametrize("name", FORMS)
def test_half_made_store_does_not_block_its_path(tmp_path: Path, name: str, wanted: int) -> None:
    path = tmp_path / name
    code = DIE.replace("overwrite=True", "overwrite=False")
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(wanted), json.dumps(FORMS[name])], check=False
    )
    assert done.returncode in (0, 9)
    assert path.exists()
    po.open_stream(path, loops({"t": 1}), overwrite=True, **FORMS[name]).close()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMS)
def test_store_that_was_half_made_twice_can_still_be_made(tmp_path: Path, name: str) -> None:
    code = DIE.replace("overwrite=True", "resume=True")
    for wanted in range(2, 24, 5):
        path = tmp_path / str(wanted) / name
        path.parent.mkdir()
        for calls in (wanted, wanted + 3):
            done = subprocess.run(
                [sys.executable, "-c", code, str(path), str(calls), json.dumps(FORMS[name])],
                check=False,
            )
            assert done.returncode in (0, 9)
        po.open_stream(path, loops({"t": 1, "p": 2}), resume=True, **FORMS[name]).close()  # type: ignore[arg-type]
        assert po.open_dataset(path).status == "complete"
        assert not list(path.parent.glob(".*old*"))


def test_old_store_that_cannot_be_deleted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.ome.tiff"
    store(path)
    unlink = Path.unlink

    def refuse(self: Path, missing_ok: bool = False) -> None:
        if ".old" in self.name:
            raise PermissionError(13, "used by another program")
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    po.open_stream(path, loops({"t": 1}), overwrite=True).close()
    assert ".a.ome.tiff.old0" in caplog.text
    assert "Delete it yourself" in caplog.text
    assert po.open_dataset(path).schema.dimensions[0].size == 1


#: Opens a stream over the store, and dies before or after a call of a class's method.
DIE_AT = """
import importlib, json, os, sys
import pymmcore_ome as po
from pymmcore_ome.testing.backend_contract import loops

path, options, module, owner, method, when = sys.argv[1:]
owner = getattr(importlib.import_module(module), owner) if owner else sys.modules[module]
call = getattr(owner, method)

def dying(*arguments, **keywords):
    if when == "after":
        call(*arguments, **keywords)
    os._exit(9)

setattr(owner, method, dying)
po.open_stream(path, loops({"t": 1, "p": 2}), overwrite=True, **json.loads(options))
"""
DESCRIBE = ("pymmcore_ome.backends.tiff.backend", "TiffBackend", "put", "before")
PAGES = ("pymmcore_ome.backends.tiff.backend", "TiffBackend", "create", "after")
LOCK = ("pymmcore_ome.stream.store", "StoreLock", "acquire", "before")
DELETE = ("pymmcore_ome.disk.location", "", "_delete_whole", "before")
REMOVE = ("pymmcore_ome.disk.location", "", "_remove", "before")


def die_at(path: Path, at: tuple[str, str, str, str], **options: str) -> None:
    arguments = [sys.executable, "-c", DIE_AT, str(path), json.dumps(options), *at]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr


@pytest.mark.parametrize("at", [PAGES, DESCRIBE])
def test_tiff_file_without_description_does_not_hide_the_old_store(
    tmp_path: Path, at: tuple[str, str, str, str]
) -> None:
    path = tmp_path / "a.ome.tiff"
    before = store(path)
    die_at(path, at)
    assert path.stat().st_size > 0
    with pytest.raises(NotAStoreError, match=r"\.a\.ome\.tiff\.old0.*pymmcore-ome recover"):
        po.open_dataset(path)
    with pytest.raises(StoreExistsError, match="recover"):
        po.open_stream(path, loops({"t": 1}))
    po.recover(path)
    assert content(tmp_path).items() >= before.items()
    assert po.validate(path, pixels=True) == []
    die_at(path, at)
    po.open_stream(path, loops({"t": 1}), overwrite=True).close()
    assert state_of(path) == "new"
    assert not [file for file in tmp_path.iterdir() if ".old" in file.name]


@pytest.mark.parametrize("name", FORMS)
def test_old_store_that_was_not_deleted_is_named_and_can_be_restored(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    path = tmp_path / name
    before = store(path, **FORMS[name])
    die_at(path, DELETE, **FORMS[name])
    assert state_of(path) == "new"
    show_store(path, as_json=False)
    assert f".{name}.old0" in "".join(capsys.readouterr().out.split())
    po.recover(path)
    assert f".{name}.old0" in caplog.text
    assert f"run: pymmcore-ome recover {path}" in caplog.text
    away = tmp_path / "away"
    away.mkdir()
    table = path.with_name(f"{name}.frames.jsonl")
    path.rename(away / name)
    if name == "a.ome.tiff":  # its table was forgotten: the frames that it lists are not deleted
        table.write_text('{"image":"0"}\n')
        with pytest.raises(StoreExistsError, match="lists the frames of another store"):
            po.recover(path)
        table.rename(away / table.name)
    po.recover(path)
    assert content(tmp_path).items() >= before.items()
    assert po.validate(path, pixels=True) == []


@pytest.mark.parametrize("name", FORMS)
def test_half_deleted_old_store_is_not_called_a_store(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    store(path, **FORMS[name])
    code = DIE_AT.replace(
        'if when == "after":\n        call', "if not arguments[0].exists():\n        return call"
    )
    arguments = [sys.executable, "-c", code, str(path), json.dumps(FORMS[name]), *REMOVE]
    assert subprocess.run(arguments, check=False).returncode == 9
    dataset = po.open_dataset(path)
    assert dataset.location.earlier == []
    assert list(tmp_path.glob(".*.deleted"))
    po.open_stream(path, loops({"t": 1}), overwrite=True, **FORMS[name]).close()  # type: ignore[arg-type]
    assert not list(tmp_path.glob(".*.deleted"))


@pytest.mark.parametrize("name", FORMS)
def test_old_store_is_deleted_only_once_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    before = store(path, **FORMS[name])
    for _ in range(2):
        die_at(path, LOCK, **FORMS[name])
        assert state_of(path) == "aside"
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()  # as if it had died before it made anything
    delete, deleted = location._delete_whole, []

    def checked(aside: Path) -> Path | None:
        assert po.open_dataset(path).schema.dimensions[0].size == 1
        assert {file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} >= (
            set(before.values()) if not deleted else set()
        )
        deleted.append(aside.name)
        return delete(aside)

    monkeypatch.setattr(location, "_delete_whole", checked)
    po.open_stream(path, loops({"t": 1}), overwrite=True, **FORMS[name]).close()  # type: ignore[arg-type]
    assert deleted[0] == f".{name}.old0"
    assert not [file for file in tmp_path.iterdir() if ".old" in file.name]
