"""The frame table as a flat table: one row for each frame. It computes nothing.

CSV, TSV, and JSON need no other library; Parquet needs pyarrow, an optional extra.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Final

from pymmcore_ome.dataset import Dataset, flat_rows
from pymmcore_ome.disk import write_whole
from pymmcore_ome.errors import OptionError, how_to_install

#: The formats of `frames --to`; all but Parquet are text.
FORMATS: Final = ("csv", "tsv", "json", "jsonl", "parquet")


def format_of(name: str | None, path: Path | None) -> str | None:
    """Return the format that is requested by name or by the suffix of the file to write.

    Raises
    ------
    OptionError
    """
    asked = name
    if asked is None and path is not None:
        asked = path.suffix.removeprefix(".").casefold()
    if asked is not None and asked not in FORMATS:
        if Path(asked).suffix.removeprefix(".").casefold() in FORMATS:
            raise OptionError(
                f"--to {asked} is not a format ({', '.join(FORMATS)}). To write that file, use "
                f"--output {asked}; its suffix selects the format."
            )
        raise OptionError(f"Unknown format {asked!r}. Set --to to one of {', '.join(FORMATS)}.")
    return asked


def as_text(dataset: Dataset, form: str) -> str:
    """Return the frames as CSV, TSV, JSON, or JSON Lines.

    JSON has the nested records of `Dataset.frames`; the other formats are flat.
    """
    if form == "json":
        return json.dumps(dataset.frames(), ensure_ascii=False, indent=1) + "\n"
    if form == "jsonl":
        lines = (json.dumps(frame, ensure_ascii=False) for frame in dataset.frames())
        return "".join(f"{line}\n" for line in lines)
    rows = flat_rows(dataset)
    text = io.StringIO()
    writer = csv.DictWriter(
        text,
        fieldnames=list(rows[0]) if rows else ["image"],
        delimiter="\t" if form == "tsv" else ",",
        lineterminator="\n",
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_parquet(dataset: Dataset) -> bytes:
    """Return the frames as a Parquet file.

    Raises
    ------
    OptionError
        When pyarrow is not installed.
    """
    try:
        from pyarrow import BufferOutputStream, parquet
    except ImportError as error:
        raise OptionError(
            f"Parquet needs pyarrow:  {how_to_install('analysis')}.  --to csv works without it."
        ) from error
    file = BufferOutputStream()
    parquet.write_table(dataset.table(), file)
    return bytes(file.getvalue())


def write(dataset: Dataset, form: str, path: Path) -> None:
    """Write the frames to a file, completely or not at all.

    Raises
    ------
    OptionError
        When pyarrow is needed and not installed.
    OSError
        When the file cannot be written.
    """
    content = as_parquet(dataset) if form == "parquet" else as_text(dataset, form).encode()
    write_whole(path, [content])
