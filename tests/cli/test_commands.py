"""The commands, as processes: what people see, and what scripts get."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pymmcore_ome as po
from conftest import DEMO
from pymmcore_ome.cli.app import ended
from pymmcore_ome.cli.terminal import quoted
from pymmcore_ome.testing import encoded_frame

from .processes import PROGRAM, command, interrupted

LONG = "axis_order: tc\ntime_plan: {interval: 0.05, loops: 2000}\nchannels: [DAPI]\n"


@pytest.fixture(scope="module")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `demo` writes; not to be changed."""
    folder = tmp_path_factory.mktemp("demo")
    done = command("demo", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "said.txt").write_text(done.stdout, encoding="utf-8")
    return folder / "demo.ome.zarr"


def test_demo_runs_saves_validates_and_tells_how_to_open(demo_store: Path) -> None:
    said = demo_store.with_name("said.txt").read_text(encoding="utf-8")
    for words in ("2 images, 60 frames, 31.5 MB", "(t: 3, c: 2, z: 5, y: 512, x: 512)", "left",
                  "right", "DAPI, FITC", "complete", "Saved: 60 frames, 31.5 MB", "Valid", "napari",
                  "zarr.open"):  # fmt: skip
        assert words in said
    assert po.open_dataset(demo_store).status == "complete"
    assert po.validate(demo_store) == []
    sheet = demo_store.with_name("demo.ome.zarr.png")
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert f"python -m webbrowser {sheet.as_uri()}" in said
    assert "Rows: left, right. Columns: DAPI, FITC." in said
    again = command("demo", cwd=demo_store.parent)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert "Traceback" not in again.stderr


def test_output_in_a_pipe_is_plain_text(demo_store: Path) -> None:
    said = demo_store.with_name("said.txt").read_text(encoding="utf-8")
    assert "\x1b" not in said
    assert "\r" not in said
    assert "━" not in said
    assert not re.search(r"[ \t]$", said, re.MULTILINE)


def test_printed_python_hints_work(demo_store: Path) -> None:
    said = demo_store.with_name("said.txt").read_text(encoding="utf-8")
    hints = [line.strip() for line in said.splitlines() if "python -c" in line]
    assert len(hints) == 2
    for hint in hints:
        code = hint.partition(' "')[2].removesuffix('"')
        shown = subprocess.run(
            [sys.executable, "-c", code], cwd=demo_store.parent, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert "(3, 2, 5, 512, 512)" in shown.stdout or "t: 3, c: 2, z: 5" in shown.stdout


@pytest.mark.parametrize("name", ["plain.zarr", "mit Ümläuten #1 100%.zarr", "it's $HOME `a`.zarr"])
def test_printed_hints_are_taken_by_a_shell_whatever_the_path(
    tmp_path: Path, small_schema: po.StorageSchema, name: str
) -> None:
    if sys.platform == "win32" and not name.isascii():
        name = "mit Leerzeichen #1 100%.zarr"
    po.open_stream(tmp_path / name, small_schema).close()
    code = f"import pymmcore_ome as po; print(po.open_dataset({name!r}).path.name)"
    shown = subprocess.run(
        f"{quoted(sys.executable)} -c {quoted(code)}", shell=True, cwd=tmp_path,
        capture_output=True, encoding="utf-8", env={**os.environ, "PYTHONUTF8": "1"}, check=False,
    )  # fmt: skip
    assert shown.stdout.rstrip("\n") == name, shown.stderr


def test_demo_lists_its_sequences(tmp_path: Path) -> None:
    done = command("demo", "--list", cwd=tmp_path)
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines()} == {
        file.stem for file in DEMO.glob("*.yaml")
    }
    unknown = command("demo", "nothing", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "plate_96" in unknown.stderr


def test_run_takes_options_and_tells_a_script(tmp_path: Path) -> None:
    done = command(
        "run", DEMO / "time_lapse.yaml", "--config", "demo", "--output", "a.ome.zarr",
        "--compression", "zstd:3", "--backend", "zarr-python", "--chunks", "t=5,y=256",
        "--shards", "t=5,y=512", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "complete"
    assert told["frames"] == {"planned": 10, "stored": 10, "missing": 0, "not_as_asked": 0}
    assert told["pixel_bytes"] == 10 * 512 * 512 * 2
    assert told["backend"] == "zarr-python"
    document = json.loads((tmp_path / "a.ome.zarr" / "0" / "zarr.json").read_text())
    assert document["chunk_grid"]["configuration"]["chunk_shape"] == [5, 1, 512, 512]
    sharding = document["codecs"][0]["configuration"]
    assert sharding["chunk_shape"] == [5, 1, 256, 512]
    assert {"name": "zstd", "configuration": {"level": 3, "checksum": False}} in sharding["codecs"]

    shown = command("info", "a.ome.zarr", cwd=tmp_path)
    assert shown.returncode == 0
    for words in ("(t: 5, c: 2, y: 512, x: 512)", "DAPI, FITC", "complete", "10 of 10", "0.325 µm"):
        assert words in shown.stdout
    assert command("validate", "a.ome.zarr", cwd=tmp_path).returncode == 0
    table = tmp_path / "a.ome.zarr" / "frames.jsonl"
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[1:]))
    broken = command("validate", "a.ome.zarr", "--json", cwd=tmp_path)
    assert broken.returncode == 1
    (problem, *_) = json.loads(broken.stdout)["problems"]
    assert "1 of 10 planned frames are missing" in problem
    holes = command("info", "a.ome.zarr", cwd=tmp_path)
    assert "1 planned frame missing" in holes.stdout
    assert "t 0 c 0" in holes.stdout


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_validate_says_what_was_checked_of_either_format(
    tmp_path: Path, name: str, small_schema: po.StorageSchema
) -> None:
    with po.open_stream(tmp_path / name, small_schema) as stream:
        for number in range(12):
            stream.append(encoded_frame(number, (6, 8)))
    found = command("validate", name, cwd=tmp_path)
    assert found.stdout == "Valid: documents, arrays, frame table, and plan agree.\n"
    found = command("validate", name, "--pixels", cwd=tmp_path)
    assert found.stdout == "Valid: documents, arrays, pixels, frame table, and plan agree.\n"


def test_dry_run_says_what_would_be_stored_and_makes_nothing(tmp_path: Path) -> None:
    words = ("run", DEMO / "plate_96.yaml", "--config", "demo", "--output", "p.ome.zarr")
    done = command(*words, "--dry-run", "--chunks", "auto", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for said in ("plate 96-well", "6 wells with 24 fields", "48 of 524.3 kB", "25.2 MB",
                 "DAPI, FITC", "at least", "free", "Nothing was acquired or written"):  # fmt: skip
        assert said in done.stdout
    assert re.search(r"H( +·){10}( +●){2}$", done.stdout, re.MULTILINE)
    told = json.loads(command(*words, "--dry-run", "--json", cwd=tmp_path).stdout)
    assert (told["frames"], told["pixel_bytes"]) == (48, 48 * 512 * 512 * 2)
    assert told["duration_s"] == pytest.approx(48 * 0.005)
    assert told["images"][-1]["well"] == "H12"
    assert list(tmp_path.iterdir()) == []


def test_strict_refuses_what_is_only_warned_of_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "huge.yaml").write_text(
        "time_plan: {interval: 0, loops: 10000000}\nchannels: [{config: DAPI, exposure: 1}]\n"
    )
    (tmp_path / "odd.yaml").write_text(
        "axis_order: c\nchannels: [DAPI]\nz_plan: {range: 2, step: 1}"
    )
    for name, expected in (("huge", "5.2 TB"), ("odd", "does not contain 'z'")):
        words = ("run", f"{name}.yaml", "--config", "demo", "--output", "a.zarr", "--dry-run")
        for strict, code in (((), 0), (("--strict",), 1)):
            monkeypatch.setattr(sys, "argv", ["pymmcore-ome", *words, *strict])
            assert ended() == code
            assert expected in capsys.readouterr().err
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [((), 1), (("--force",), 0), (("--compression", "zstd:1"), 0),
     (("--compression", "zstd:1", "--strict"), 1),
     (("--compression", "zstd:1", "--strict", "--force"), 0)],
)  # fmt: skip
def test_run_that_does_not_fit_the_disk_is_refused_unless_forced(
    options: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pymmcore_ome.acquisition.run_forecast.free_bytes", lambda path: 1000)
    (tmp_path / "one.yaml").write_text("channels: [{config: DAPI, exposure: 1}]\n")
    words = ("run", "one.yaml", "--config", "demo", "--output", "a.zarr", *options)
    monkeypatch.setattr(sys, "argv", ["pymmcore-ome", *words])
    assert ended() == code
    said = capsys.readouterr().err
    assert "524.3 kB of pixels, but 1.0 kB are free" in " ".join(said.split())
    assert ("--force" in said) == (code == 1)
    assert (tmp_path / "a.zarr").exists() == (code == 0)


@pytest.mark.parametrize(
    ("words", "expected", "code"),
    [
        (["run", "none.yaml", "--config", "demo", "--output", "a.zarr"], "none.yaml", 1),
        (["run", "bad.yaml", "--config", "demo", "--output", "a.zarr"], "bad.yaml, line 2", 1),
        (["run", "folder.yaml", "--config", "demo", "--output", "a.zarr"], "is a folder", 1),
        (["run", "open.yaml", "--config", "demo", "--output", "a.zarr"],
         "open.yaml, line 1: this is not YAML", 1),
        (["run", DEMO / "demo.yaml", "--config", ".", "--output", "a.zarr"], "is a folder", 1),
        (["run", DEMO / "demo.yaml", "--config", "typo.yaml", "--output", "a.zarr"],
         "loads no device", 1),
        (["run", DEMO / "demo.yaml", "--config", "none.cfg", "--output", "a.zarr"],
         "--config demo", 1),
        (["run", DEMO / "demo.yaml", "--config", "demo", "--output", "s3://b/a.zarr"],
         "is a URL", 2),
        (["info", "https://b/a.zarr"], "is a URL", 2),
        (["run", "typo.yaml", "--config", "demo", "--output", "a.zarr"], "'channels'?", 1),
        (["run", DEMO / "demo.yaml", "--config", "none.cfg", "--output", "a.zarr"], "none.cfg", 1),
        (["run", DEMO / "demo.yaml", "--config", "bad.cfg", "--output", "a.zarr"], "bad.cfg", 1),
        (["run", "dapy.yaml", "--config", "demo", "--output", "a.zarr"], "did you mean 'DAPI'", 1),
        (["run", "device.yaml", "--config", "demo", "--output", "a.zarr"], "'Camra'", 1),
        (["run", DEMO / "demo.yaml", "--config", "bad.cfg", "--output", "a.png"], ".ome.zarr", 1),
        (["run", DEMO / "demo.yaml", "--config", "demo", "--output", "a.zarr",
          "--chunks", "t=none"], "t=10,y=256", 2),
        (["run", DEMO / "demo.yaml", "--output", "a.zarr"], "--config demo", 2),
        (["run", DEMO / "demo.yaml", "--config", "demo"], "--output exp.ome.zarr", 2),
        (["run", DEMO / "demo.yaml", "--config", "demo", "--output", "a"], "give --format.", 1),
        (["run", DEMO / "demo.yaml", "--config", "demo", "--output", "a.zarr", "--backend",
          "tiff"], "the path or --format asks for ome-zarr", 1),
        (["run", DEMO / "demo.yaml", "--config", "demo", "--output", "there.zarr"],
         "replace it with --overwrite.", 1),
        (["run", DEMO / "demo.yaml", "--config", "demo", "--output", "there.zarr", "--overwrite"],
         "so --overwrite does not replace it", 1),
        (["run", "dapy.yaml", "--config", "demo", "--output", "a.zarr"],
         "pass --unready record", 1),
        (["info", "none.ome.zarr"], "does not exist", 1),
        (["recover", "none.ome.zarr"], "does not exist", 1),
        (["frames", "none.ome.zarr", "--to", "csv"], "does not exist", 1),
        (["frames", "none.ome.zarr", "--to", "xls"], "csv, tsv", 1),
        (["frames", "none.ome.zarr", "--to", "my.csv"], "--output my.csv", 1),
    ],
)  # fmt: skip
def test_errors_are_one_readable_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[object],
    expected: str,
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("channels: [a\nz: {")
    (tmp_path / "typo.yaml").write_text("chanels: [DAPI]")
    (tmp_path / "dapy.yaml").write_text("channels: [DAPY]")
    (tmp_path / "device.yaml").write_text("setup: {properties: [[Camra, Binning, 2]]}")
    (tmp_path / "there.zarr").mkdir()
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "open.yaml").write_text("channels: [DAPI\n")
    (tmp_path / "bad.cfg").write_text("Device,Camera,NoSuchAdapter,DCam")
    monkeypatch.setattr(sys, "argv", ["pymmcore-ome", *map(str, words)])
    assert ended() == code
    out, err = capsys.readouterr()
    assert err.startswith("Error: ") == (code == 1)
    assert expected in err
    assert out == ""
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-Break instead")
@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_terminal_that_closes_cancels_and_leaves_a_valid_store(tmp_path: Path, name: str) -> None:
    import pty

    (tmp_path / "long.yaml").write_text(LONG)
    table = tmp_path / (f"{name}/frames.jsonl" if "zarr" in name else f"{name}.frames.jsonl")
    words = ("run", "long.yaml", "--config", "demo", "--output", name)
    child, terminal = pty.fork()
    if child == 0:  # the terminal's process: its end is a signal, and no text is taken any more
        os.chdir(tmp_path)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started the tests may ignore it
        os.execv(sys.executable, [sys.executable, *PROGRAM, *words])
    while not (table.exists() and table.stat().st_size):
        os.read(terminal, 1 << 16)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    dataset = po.open_dataset(tmp_path / name)
    assert dataset.status == "canceled"
    assert 0 < len(dataset.frames()) < 2000


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_ctrl_c_cancels_and_leaves_a_valid_store(tmp_path: Path, name: str) -> None:
    (tmp_path / "long.yaml").write_text(LONG)
    store = tmp_path / name
    table = tmp_path / (f"{name}/frames.jsonl" if "zarr" in name else f"{name}.frames.jsonl")
    code, out, err = interrupted(
        "run", "long.yaml", "--config", "demo", "--output", name,
        cwd=tmp_path, after=table, times=1 if "zarr" in name else 2,
    )  # fmt: skip
    assert code == 130, err
    assert "canceled" in out
    assert "Traceback" not in err
    dataset = po.open_dataset(store)
    assert dataset.status == "canceled"
    frames = dataset.frames()
    assert 0 < len(frames) < 2000
    assert all(dataset.images[0][frame["index"]].any() for frame in frames)
    problems = po.validate(store, pixels=True)
    assert len(problems) == 2
    assert "missing" in problems[0]
    assert "canceled" in problems[1]


def test_third_ctrl_c_waits_for_nothing_and_the_store_is_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "long.yaml").write_text(LONG)
    table = tmp_path / "a.ome.zarr" / "frames.jsonl"
    hang = (
        "import sys; from pymmcore_plus.mda import MDARunner; "
        "MDARunner.cancel = lambda self: None; sys.argv[0] = 'pymmcore-ome'; "
        "from pymmcore_ome.cli.app import main; main()"
    )
    code, _, err = interrupted(
        "run", "long.yaml", "--config", "demo", "--output", "a.ome.zarr",
        cwd=tmp_path, after=table, times=3, program=("-c", hang),
    )  # fmt: skip
    assert code == 130
    assert "recover" in err
    assert po.open_dataset(tmp_path / "a.ome.zarr").status == "incomplete"

    monkeypatch.chdir(tmp_path)
    for command_, expected in (
        ("info", "interrupted; repair it with"),
        ("recover", "recovered"),
        ("recover", "Nothing to recover"),
        ("info", "recovered"),
    ):
        monkeypatch.setattr(sys, "argv", ["pymmcore-ome", command_, "a.ome.zarr"])
        assert ended() == 0
        assert expected in capsys.readouterr().out


def test_run_whose_frames_did_not_all_come_has_its_own_exit_code(tmp_path: Path) -> None:
    third_snap_fails = (
        "import sys; from pymmcore_plus.mda import MDAEngine\n"
        "taken, whole = [], MDAEngine.exec_single_event\n"
        "def some(self, event):\n"
        "    taken.append(event)\n"
        "    return iter(()) if len(taken) == 3 else whole(self, event)\n"
        "MDAEngine.exec_single_event = some; sys.argv[0] = 'pymmcore-ome'\n"
        "from pymmcore_ome.cli.app import main; main()"
    )
    done = command(
        "run", DEMO / "time_lapse.yaml", "--config", "demo", "--output", "a.ome.zarr",
        cwd=tmp_path, program=("-c", third_snap_fails),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "Saved, but 1 frame of 10 is missing: 9 of 10 planned frames" in done.stdout
    assert "t 1 c 0" in done.stdout
    assert "Warning: " in done.stderr


def test_terminals_that_know_few_letters_get_what_they_know(demo_store: Path) -> None:
    done = command(
        "info", demo_store, cwd=demo_store.parent, PYTHONUTF8="0", PYTHONIOENCODING="ascii"
    )
    assert done.returncode == 0, done.stderr
    assert "+-- 0  left" in done.stdout
    assert "0.325 um" in done.stdout
    (unknown,) = command(
        "info", "nichts-ä.zarr", cwd=demo_store.parent, PYTHONUTF8="0", PYTHONIOENCODING="ascii"
    ).stderr.splitlines()
    assert "nichts-\\xe4.zarr" in unknown


def test_permission_error_states_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a system reports it; an administrator, as in many a container, may do everything."""

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("pymmcore_ome.dataset.open_dataset", refuse)
    monkeypatch.setattr(sys, "argv", ["pymmcore-ome", "info", str(tmp_path / "a.ome.zarr")])
    assert ended() == 1
    shown = capsys.readouterr().err
    assert f"No permission to access {tmp_path / 'a.ome.zarr'}. Choose another path" in shown
    assert "Errno" not in shown


def test_shell_completes_commands(tmp_path: Path) -> None:
    words = {"COMP_WORDS": "pymmcore-ome val", "COMP_CWORD": "1"}
    done = command(cwd=tmp_path, _PYMMCORE_OME_COMPLETE="complete_bash", **words)
    assert done.stdout.split() == ["validate"]
    assert "--install-completion" in command("--help", cwd=tmp_path).stdout


def test_narrow_terminal_wraps_and_cuts_nothing(demo_store: Path) -> None:
    done = command("info", demo_store, cwd=demo_store.parent, COLUMNS="40")
    text = "".join(done.stdout.replace("│", "").split())
    for words in ("(t:3,c:2,z:5,y:512,x:512)uint16", "x200,y50,z2µm", "t:0.2s,z:1µm,y:0.325µm"):
        assert words in text
    assert "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 40


def test_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pymmcore-ome", "--version"])
    assert ended() == 0
    assert capsys.readouterr().out == f"pymmcore-ome {po.__version__}\n"


def test_help_starts_without_the_heavy_libraries(tmp_path: Path) -> None:
    code = (
        "import sys; from pymmcore_ome.cli.app import app; "
        "print([m for m in ('tensorstore', 'pymmcore_plus', 'useq', 'ome_types', 'tifffile', "
        "'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
