"""``python -m benchmarks``: run the loads, print tables, write `benchmarks/results.md`."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from .kept import Kept, Measured
from .loads import GROWTH, LOADS, Load
from .report import (
    COLUMNS,
    GROWTH_HEADS,
    GROWTH_TITLE,
    TARGET_HEADS,
    growth_of,
    growth_rows,
    machine_facts,
    results,
    rows_of,
    table,
    title_of,
    waiting,
)
from .rounds import run_rounds
from .targets import target_rows

_RESULTS = Path(__file__).parent / "results.md"
_MEMORY = Path("/dev/shm")
_MOST_GROWTH_ROUNDS = 3


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
    kept = Kept(asked.output.with_suffix(".json"), machine_facts(places), adds=asked.add)
    console.print(table("The machine", ("", ""), kept.facts))
    rounds = asked.rounds or (3 if asked.quick else 5)
    say = (lambda text: console.print(f"[dim]{text}[/]")) if asked.verbose else (lambda _: None)

    def measure(load: Load, place: str, rounds: int) -> Measured:
        """Measure, and write all that there is so far: a long run may be stopped."""
        before = waiting()
        found = run_rounds(load, rounds, rooms[place], say)
        measured = Measured(found, is_quick=asked.quick, waiting=before)
        kept.add(load.name, place, measured)
        asked.output.write_text(results(kept), encoding="utf-8")
        return measured

    names = asked.loads or [*LOADS, "growth"]
    with ExitStack() as stack:
        rooms = {
            place: Path(stack.enter_context(_folder_in(path))) for place, path in places.items()
        }
        for name in (n for n in names if n != "growth"):
            load = LOADS[name].quick() if asked.quick else LOADS[name]
            for place in places:
                if place not in load.places and not asked.path and len(places) > 1:
                    continue
                measured = measure(load, place, rounds)
                title = title_of(load, place, measured)
                console.print(table(title, COLUMNS, rows_of(load, measured.found)))
        if "growth" in names:
            for loads in GROWTH.values():
                for load in loads[:2] if asked.quick else loads:
                    measure(load, next(iter(places)), min(rounds, _MOST_GROWTH_ROUNDS))
            console.print(table(GROWTH_TITLE, GROWTH_HEADS, growth_rows(growth_of(kept))))
    targets = target_rows({key: measured.found for key, measured in kept.measured.items()})
    console.print(table("Targets", TARGET_HEADS, targets))
    console.print(f"Written to {asked.output}")


def _folder_in(path: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="pymmcore-ome-", dir=path, ignore_cleanup_errors=True)


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
    parser.add_argument("--add", action="store_true",
                        help="keep what was measured before, on this machine with these packages, "
                        "and replace only these loads")  # fmt: skip
    parser.add_argument("--output", type=Path, default=_RESULTS)
    parser.add_argument("--verbose", action="store_true", help="say what is running")
    return parser.parse_args()


if __name__ == "__main__":
    main()
