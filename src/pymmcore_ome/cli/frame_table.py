"""The frame table as a flat table: one row for each frame. It computes nothing.

CSV, TSV, and JSON need no other library; Parquet needs pyarrow, an optional extra.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pymmcore_ome.dataset import Dataset
from pymmcore_ome.disk import write_whole
from pymmcore_ome.errors import OptionError, how_to_install
from pymmcore_ome.frames import NOT_AS_ASKED

#: The formats of `frames --to`; all but Parquet are text.
FORMATS: Final = ("csv", "tsv", "json", "jsonl", "parquet")
_FACTS: Final = ("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um", "channel", NOT_AS_ASKED)
Row = dict[str, Any]


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


def flat_rows(dataset: Dataset) -> list[Row]:
    """Return one row for each frame, in order of arrival, all with the same columns.

    ``image`` and ``label``; the index in the array by axis (``t``, ``c``, ``z``); the index of
    the event (``event_t``, ``event_p``, …); time, exposure, stage coordinates, channel; the
    settings that failed to apply, or None; and all other metadata of the frame. Device properties
    are named ``Device-Property``, as in Micro-Manager; nested metadata is JSON.
    """
    images = {image.path: image for image in dataset.images}
    rows: list[Row] = []
    axes: dict[str, None] = {}
    events: dict[str, None] = {}
    rest: dict[str, None] = {}
    for frame in dataset.frames():
        image = images.get(frame["image"])  # a damaged table may name an unknown one
        place = {} if image is None else dict(zip(image.axes, frame["index"], strict=False))
        event = {f"event_{axis}": n for axis, n in frame["event_index"].items()}
        more = dict(_more(frame["metadata"]))
        marked = frame["metadata"].get(NOT_AS_ASKED)
        axes |= dict.fromkeys(place)
        events |= dict.fromkeys(event)
        rest |= dict.fromkeys(more)
        row = {"image": frame["image"], "label": None if image is None else image.label}
        facts = {name: frame.get(name) for name in _FACTS}
        facts[NOT_AS_ASKED] = "; ".join(map(str, marked)) if isinstance(marked, list) else marked
        rows.append({**more, **row, **place, **event, **facts})  # our columns win
    columns = ["image", "label", *axes, *events, *_FACTS]
    columns += [name for name in rest if name not in columns]
    return [{name: row.get(name) for name in columns} for row in rows]


def _more(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in metadata.items():
        if name == "property_values" and isinstance(value, list):
            for item in value:
                known = item if isinstance(item, dict) else {"prop": name, "val": item}
                yield f"{known.get('dev')}-{known.get('prop')}", known.get("val")
        elif isinstance(value, (dict, list)):
            yield name, json.dumps(value, ensure_ascii=False)
        else:
            yield name, value


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
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise OptionError(
            f"Parquet needs pyarrow:  {how_to_install('tables')}.  --to csv works without it."
        ) from error
    rows = flat_rows(dataset)
    columns = {name: _one_kind([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    file = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), file)
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


def _one_kind(values: Sequence[Any]) -> Iterable[Any]:
    """Return values that fit into one column: numbers of one kind, or text."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2:
        return values
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]
