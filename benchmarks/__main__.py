"""``python -m benchmarks``: run the loads, print tables, write `benchmarks/results.md`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from .kept import Kept, Measured
from .loads import FOR_TARGETS, GROWTH, LOADS, QUICK, Load
from .report import (
    GROWTH_HEADS,
    GROWTH_TITLE,
    TARGET_HEADS,
    columns_of,
    growth_of,
    growth_rows,
    machine_facts,
    results,
    rows_of,
    table,
    title_of,
    waiting,
)
from .rooms import MEMORY, check_room, rooms
from .rounds import run_rounds
from .targets import target_rows

_RESULTS = Path(__file__).parent / "results.md"
_MOST_GROWTH_ROUNDS = 3


def main() -> None:
    """Run what the command line asks for."""
    asked = _arguments()
    console = Console(width=max(160, Console().width), highlight=False, markup=False)
    if asked.list:
        for load in LOADS.values():
            console.print(f"{load.name:16} {load.title}: {', '.join(load.contenders)}")
            for extra in load.extras:
                console.print(f"{'':16}   {extra}")
        console.print(f"{'growth':16} {', '.join(GROWTH)}: n, 4 n, 16 n")
        return
    places = _places(asked)
    is_default_output = asked.output is None
    output = _RESULTS if is_default_output else asked.output
    # a developer's quick look, or one load alone, does not replace the results of all
    writes = asked.add or not is_default_output or not (asked.loads or asked.quick)
    if asked.before and not shutil.which(asked.before):
        raise SystemExit(f"--before {asked.before}: there is no such program. Give a Python.")
    kept = Kept(output.with_suffix(".json"), machine_facts(places), adds=asked.add, writes=writes)
    console.print(table("The machine", ("", ""), kept.facts))
    rounds = asked.rounds or (3 if asked.quick or asked.targets else 5)
    say = (lambda text: console.print(text, style="dim")) if asked.verbose else (lambda _: None)

    def measure(load: Load, place: str, rounds: int) -> Measured:
        """Measure, and write all that there is so far: a long run may be stopped."""
        before = waiting()
        check_room(folders[place], load, rounds * (len(load.contenders) + len(load.extras)))
        found = run_rounds(load, rounds, folders[place], say, asked.before)
        is_part = load.name in LOADS and load.frame_count < LOADS[load.name].frame_count
        measured = Measured(found, is_quick=asked.quick or is_part, waiting=before)
        kept.add(load.name, place, measured)
        if writes:
            output.write_text(results(kept), encoding="utf-8")
        return measured

    names = asked.loads or _names(asked)
    with ExitStack() as stack:
        folders = {
            place: stack.enter_context(rooms(path, console.print)) for place, path in places.items()
        }
        for name in (n for n in names if n != "growth"):
            load = LOADS[name].quick() if asked.quick else LOADS[name]
            load = load.for_targets() if asked.targets else load
            if not (asked.extras if asked.extras is not None else not asked.quick):
                load = load.without_extras()
            for place in _places_of(load, asked, places):
                measured = measure(load, place, rounds)
                title = title_of(load, place, measured)
                console.print(table(title, columns_of(load), rows_of(load, measured.found)))
        if "growth" in names:
            for loads in GROWTH.values():
                for load in loads[:2] if asked.quick else loads:
                    measure(load, next(iter(places)), min(rounds, _MOST_GROWTH_ROUNDS))
            console.print(table(GROWTH_TITLE, GROWTH_HEADS, growth_rows(growth_of(kept))))
    console.print(table("Targets", TARGET_HEADS, target_rows(kept.measured)))
    console.print(f"Written to {output}" if writes else "Not written: give --add or --output")


def _names(asked: argparse.Namespace) -> Sequence[str]:
    """Return the loads that are run where none is named."""
    if asked.targets:
        return FOR_TARGETS
    return QUICK if asked.quick else [*LOADS, "growth"]


def _places(asked: argparse.Namespace) -> dict[str, Path]:
    if asked.path:
        return {str(path): path for path in asked.path}
    places = {"memory": MEMORY} if MEMORY.is_dir() else {}
    places["disk"] = Path(tempfile.gettempdir())
    if asked.where:
        if asked.where not in places:
            raise SystemExit(f"There is no folder in memory here ({MEMORY}). Give --path.")
        return {asked.where: places[asked.where]}
    return places


def _places_of(load: Load, asked: argparse.Namespace, places: dict[str, Path]) -> list[str]:
    """Return where a load is measured: where it was asked for, or where it shows something."""
    if asked.path or asked.where or len(places) == 1:
        return list(places)
    if asked.quick and not asked.loads:
        return ["memory"]
    return [place for place in places if place in load.places]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("loads", nargs="*", choices=[*LOADS, "growth", []], metavar="LOAD",
                        help="by name; none: all of them")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="show the loads and their contenders")
    parser.add_argument("--quick", action="store_true",
                        help="a part of the frames, by default options only, 3 rounds; without "
                        f"LOAD: {', '.join(QUICK)}, in memory: about three minutes")  # fmt: skip
    parser.add_argument("--targets", action="store_true",
                        help="only what the targets compare, by default options, 3 rounds; "
                        f"without LOAD: {', '.join(FOR_TARGETS)}")  # fmt: skip
    parser.add_argument("--rounds", type=int, help="default 5, and 3 with --quick or --targets")
    parser.add_argument("--where", choices=["memory", "disk"],
                        help="one of the default places. Default: both")  # fmt: skip
    parser.add_argument("--path", type=Path, action="append", default=[],
                        help="where to write, once for each disk. Default: memory, "
                        "if there is such a place, and where temporary files are")  # fmt: skip
    parser.add_argument("--extras", action=argparse.BooleanOptionalAction,
                        help="also ours with options, and with backends that are not the default. "
                        "Default: yes, but not with --quick")  # fmt: skip
    parser.add_argument("--before", default="", metavar="PYTHON",
                        help="the Python of an environment with another version of this package: "
                        "measured in the same rounds, as `before-zarr`, `before-tiff`")  # fmt: skip
    parser.add_argument("--add", action="store_true",
                        help="keep what was measured before, on this machine with these packages, "
                        "and replace only these loads")  # fmt: skip
    parser.add_argument("--output", type=Path,
                        help=f"default {_RESULTS.name}, which only a run of all loads, or --add, "
                        "writes")  # fmt: skip
    parser.add_argument("--verbose", action="store_true", help="print what is running")
    asked = parser.parse_args()
    if asked.targets and asked.quick:
        parser.error("--targets and --quick are two different parts. Give one of them.")
    if asked.targets and (others := [n for n in asked.loads if n not in FOR_TARGETS]):
        parser.error(f"--targets has no {', '.join(others)}. It has {', '.join(FOR_TARGETS)}.")
    return asked


if __name__ == "__main__":
    main()
