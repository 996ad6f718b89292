"""Damages the documents of small stores at random, and asks each verb what it makes of them.

A process of its own, so that a hang or a lack of memory is that process's. Prints one JSON list a
damage that was answered by an error that is not of this package. ``python damage.py FOLDER FORM
FIRST COUNT``.
"""

from __future__ import annotations

import io
import json
import logging
import random
import shutil
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import pymmcore_ome as po
from pymmcore_ome.cli.contents import Contents
from pymmcore_ome.cli.frame_table import as_text
from pymmcore_ome.cli.store_text import describe
from pymmcore_ome.dataset import store_warnings
from pymmcore_ome.napari.viewer import get_reader
from pymmcore_ome.testing.backend_contract import loops

FORMS: dict[str, dict[str, Any]] = {
    "a.ome.zarr": {},
    "b.ome.zarr": {"backend": "tensorstore"},
    "a.ome.tiff": {},
    "b.ome.tiff": {"files": "per-position"},
}
HOSTILE: list[Any] = [
    None, True, -1, 0, 7, 0.5, 2**31, 2**63, 2**70, 10**30, 1e308, float("nan"), float("inf"),
    "", "x", "../../x", "\0", [], [1], ["x"], {}, {"x": 1}, [[[[[[]]]]]], "9" * 5000,
]  # fmt: skip
MEMORY_BYTES = 4 << 30


def made(path: Path, options: dict[str, Any]) -> None:
    """Make a store whose process died: all its frames are listed, and it was not closed."""
    stream = po.open_stream(path, loops({"t": 3, "p": 2}), checkpoint_s=0.01, **options)
    for number in range(5):
        stream.append(np.full((6, 8), number + 1, "uint16"), metadata={"x_um": 1.5})
    stream.close()
    for file in files_of(path):
        text = file.read_bytes()
        if b'"complete"' in text:
            file.write_bytes(text.replace(b'"status": "complete"', b'"status":"incomplete"'))


def files_of(path: Path) -> list[Path]:
    """Return the files of a store that are read."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return sorted(path.parent.iterdir())


def nodes(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a JSON document."""
    found = [at]
    if isinstance(value, dict):
        for key, item in value.items():
            found += nodes(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += nodes(item, (*at, number))
    return found


def damaged_json(text: str, chance: random.Random) -> str:
    """Return a JSON document in which one value is gone, or is another one."""
    document = json.loads(text)
    *where, last = chance.choice(nodes(document)[1:] or [("x",)])
    parent = document
    for key in where:
        parent = parent[key]
    if chance.random() < 0.2:
        del parent[last]
    else:
        parent[last] = chance.choice(HOSTILE)
    return json.dumps(document)


def damaged_bytes(content: bytes, chance: random.Random) -> bytes:
    """Return bytes with a few others in their place, a piece less, or a piece twice."""
    data = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 4])):
        at = chance.randrange(len(data) + 1)
        length = chance.choice([1, 2, 4, 8, 8, 100])
        match chance.randrange(5):
            case 0:
                del data[at : at + length]
            case 1:
                data[at:at] = data[at : at + length]
            case 2:
                del data[at:]
            case 3:
                number = chance.choice([0, 1, 2**31, 2**40, 2**62, 2**63, 2**64 - 1])
                data[at : at + 8] = number.to_bytes(8, "little")
            case _:
                data[at : at + length] = chance.randbytes(length)
    return bytes(data)


def damage(path: Path, chance: random.Random) -> str:
    """Damage one file of a store; return its name."""
    file = chance.choice(files_of(path))
    content = file.read_bytes()
    if file.suffix == ".json" and chance.random() < 0.8:
        file.write_text(damaged_json(content.decode(), chance))
    elif file.suffix == ".jsonl" and chance.random() < 0.8:
        lines = content.decode().splitlines()
        line = chance.randrange(len(lines))
        lines[line] = damaged_json(lines[line], chance)
        file.write_text("\n".join(lines) + "\n")
    elif b'Namespace="pymmcore_ome"' in content and chance.random() < 0.6:
        start = content.rfind(b"<Value>") + 7
        end = content.rfind(b"</Value>")
        text = content[start:end].decode().replace("&lt;", "<").replace("&gt;", ">")
        text = damaged_json(text.replace("&amp;", "&"), chance)
        text = text.replace("&", "&amp;").replace("<", "&lt;")
        if len(text) <= end - start:  # nothing behind it moves
            text = text.ljust(end - start)
            file.write_bytes(content[:start] + text.encode() + content[end:])
    else:
        file.write_bytes(damaged_bytes(content, chance))
    return file.name


def read(path: Path) -> None:
    for image in po.open_dataset(path).images[:2]:
        if image.shape[0]:
            np.asarray(image[0])


def info(path: Path) -> None:
    contents = Contents.of(po.open_dataset(path))
    describe(contents, Console(file=io.StringIO()))
    contents.to_json()


def napari(path: Path) -> None:
    if (read_layers := get_reader(path)) is not None:
        read_layers(path)


VERBS: dict[str, Callable[[Path], object]] = {
    "open": lambda path: [image.shape for image in po.open_dataset(path).images[:3]],
    "frames": lambda path: po.open_dataset(path).frames(),
    "read": read,
    "info": info,
    "frames as csv": lambda path: as_text(po.open_dataset(path), "csv"),
    "warnings": lambda path: store_warnings(po.open_dataset(path)),
    "napari": napari,
    "validate": lambda path: po.validate(path, pixels=True),
    "recover": po.recover,
    "annotate": lambda path: po.annotate(path, "sample", {"stain": "DAPI"}),
}


def main(folder: Path, form: str, first: int, count: int) -> None:
    with suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    whole = folder / "whole"
    whole.mkdir()
    made(whole / form, FORMS[form])
    for seed in range(first, first + count):
        chance = random.Random(f"{form} {seed}")
        part = folder / "part"
        shutil.copytree(whole, part)
        print(json.dumps(["trying", seed]), flush=True)
        name = damage(part / form, chance)
        for verb, call in VERBS.items():
            try:
                call(part / form)
            except po.errors.PymmcoreOmeError:
                continue
            except Exception as error:
                print(json.dumps([seed, name, verb, repr(error)[:200]]), flush=True)
        shutil.rmtree(part)
    print(json.dumps(["ended"]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
