"""The table of docs/reference/readers.md, from the registry that the tests run.

``PYTHONPATH=tests python -m readers.table`` writes it into the page.
"""

from __future__ import annotations

from pathlib import Path

from .corpus import DATA_SETS
from .registry import READERS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "readers.md"
START, END = "<!-- table: tests/readers/table.py -->\n", "<!-- end of table -->\n"


def table() -> str:
    """Return the tables of both formats, and what is known to be left out."""
    parts = []
    for format_, title in (("ome-zarr", "OME-Zarr 0.5"), ("ome-tiff", "OME-TIFF")):
        names = [data.name for data in DATA_SETS.values() if format_ in data.formats]
        rows = [["reader", *names], ["---"] * (len(names) + 1)]
        readers = [reader for reader in READERS if reader.format == format_]
        for reader in readers:
            rows.append([reader.name, *("partly" if n in reader.limits else "yes" for n in names)])
        parts.append(f"### {title}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows))
        for reader in readers:
            text = f"- **{reader.name}** {reader.note[0].lower()}{reader.note[1:]}"
            text += f" Compared: pixels, {', '.join(reader.tells)}."
            for name, limit in reader.limits.items():
                text += f" Limitation for *{name}*: {limit}."
            parts.append(text + "\n" if reader is not readers[0] else "\n" + text + "\n")
        parts.append("\n")
    return "".join(parts)


def text_with_table(text: str) -> str:
    """Return the page with the table as it is now."""
    head, _, rest = text.partition(START)
    _, _, tail = rest.partition(END)
    return head + START + "\n" + table() + END + tail


if __name__ == "__main__":
    PAGE.write_text(text_with_table(PAGE.read_text()))
