"""``python -m benchmarks``: run the loads, print tables, write `benchmarks/results.md`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from .figures import Rounds
from .loads import GROWTH, LOADS, Load
from .report import Row, columns, growth_rows, machine_facts, markdown, rows_of, table
from .rounds import run_rounds
from .targets import target_rows

_RESULTS = Path(__file__).parent / "results.md"
_MEMORY = Path("/dev/shm")
_TARGET_HEADS = ("target", "place", "wanted", "found", "")
_GROWTH_HEADS = ("with", "", "figure", "median", "exponent")


def main() -> None:
    """Run what the command line asks for."""
    asked = _arguments()
    console = Console(width=max(140, Console().width), highlight=False)
    if asked.list:
        for load in LOADS.values():
            console.print(f"{load.name:16} {load.title}: {', '.join(load.contenders)}")
        console.print(f"{'growth':16} {', '.join(GROWTH)}: n, 4 n, 16 n")
        return
    places = _places(asked.path)
    facts = machine_facts(places)
    console.print(table("The machine", ("", ""), facts))
    names = asked.loads or [*LOADS, "growth"]
    rounds = asked.rounds or (3 if asked.quick else 5)
    say = (lambda text: console.print(f"[dim]{text}[/]")) if asked.verbose else (lambda _: None)
    head = [
        "# Results\n",
        "Written by `python -m benchmarks"
        + (" --quick" if asked.quick else "")
        + f"`, {rounds} rounds. What the columns mean: [README](README.md).\n",
        markdown(("", ""), facts),
    ]
    found: dict[tuple[str, str], dict[str, Rounds]] = {}
    sections: list[str] = []

    def keep(title: str, heads: Row, rows: list[Row]) -> None:
        """Show a table, and write all that there is so far: a long run may be stopped."""
        console.print(table(title, heads, rows))
        sections.append(f"\n## {title}\n\n" + markdown(heads, rows))
        targets = "\n## Targets\n\n" + markdown(_TARGET_HEADS, target_rows(found))
        asked.output.write_text("\n".join([*head, targets, *sections]), encoding="utf-8")

    for name in (n for n in names if n != "growth"):
        load = LOADS[name].quick() if asked.quick else LOADS[name]
        for place, folder in places.items():
            if place not in load.places and not asked.path and len(places) > 1:
                continue
            found[name, place] = run_rounds(load, rounds, folder, say)
            title = f"{load.title}{', a tenth of it' if asked.quick else ''}, in {place}"
            keep(title, columns(), rows_of(load, found[name, place]))
    if "growth" in names:
        rows = _grow(asked.quick, min(rounds, 3), next(iter(places.values())), say)
        keep("What times grow with: the exponent b of a * n^b", _GROWTH_HEADS, rows)
    console.print(table("Targets", _TARGET_HEADS, target_rows(found)))
    console.print(f"Written to {asked.output}")


def _grow(quick: bool, rounds: int, folder: Path, say: object) -> list[tuple[str, ...]]:
    def size(load: Load) -> int:
        return load.frame_count

    found = {
        what: {
            size(load): run_rounds(load, rounds, folder, say)  # type: ignore[arg-type]
            for load in (loads[:2] if quick else loads)
        }
        for what, loads in GROWTH.items()
    }
    return growth_rows(found)


def _places(paths: list[Path]) -> dict[str, Path]:
    if paths:
        return {str(path): path for path in paths}
    places = {"memory": _MEMORY} if _MEMORY.is_dir() else {}
    return {**places, "disk": Path(tempfile.gettempdir())}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("loads", nargs="*", choices=[*LOADS, "growth", []], metavar="LOAD",
                        help="by name; none: all of them")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="show the loads and their contenders")
    parser.add_argument("--quick", action="store_true", help="a tenth of the frames, 3 rounds")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--path", type=Path, action="append", default=[],
                        help="where to write, once for each disk. Default: memory, "
                        "if there is such a place, and where temporary files are")  # fmt: skip
    parser.add_argument("--output", type=Path, default=_RESULTS)
    parser.add_argument("--verbose", action="store_true", help="say what is running")
    return parser.parse_args()


if __name__ == "__main__":
    main()
