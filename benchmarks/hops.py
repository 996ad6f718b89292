"""``python -m benchmarks.hops``: what a frame costs, hop by hop, in CPU time of each thread.

The last column is what a thread costs without clocks, the third what its functions cost, each
without those that it calls.

It follows frames from `Sink.append` to the frame table. Every function of the package that a frame
passes through is found by itself, whatever its name and module: it is replaced by one that reads
the CPU clock of its thread before and after, for the duration of the measurement. What those
clocks cost is measured, too, and subtracted. No profiler runs.

    python -m benchmarks.hops ours-zarr "ours-zarr chunks='auto'" ours-tiff
"""

from __future__ import annotations

import argparse
import gc
import inspect
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import FunctionType
from typing import Any, Final

import psutil
import useq
from rich.console import Console

import pymmcore_ome as po

from .acquired import runner_metadata_of
from .contender import Contender
from .loads import Load, frames_of
from .report import table, waiting
from .rooms import MEMORY, room
from .stream_loads import drain, open_once
from .warm import warm_up

_PACKAGE: Final = "pymmcore_ome."
#: Rooms that no frame passes through; models of the schema are not to be changed.
_ELSEWHERE: Final = ("schema", "gui", "cli", "napari", "testing", "metadata", "errors")
_LIBRARIES: Final = "threads of libraries"
_GARBAGE: Final = "(garbage collector)"
_FEW_CALLS: Final = 0.002  # a frame: what is rarer is the opening of a store
_CALIBRATION: Final = 20_000
_LEAST_US: Final = 0.05
_HEADS: Final = ("thread and hop", "calls/frame", "µs/frame", "thread, µs/frame")


@dataclass(slots=True)
class Hop:
    """One function in one thread.

    Attributes
    ----------
    calls : int
    own_ns : int
        CPU time within it, without that of other hops that it calls.
    inner_calls : int
        Of other hops, from within it.
    """

    calls: int = 0
    own_ns: int = 0
    inner_calls: int = 0


class Clocks:
    """Times functions by the CPU clock of the thread that calls them, each without its callees.

    Attributes
    ----------
    hops : dict of (thread, function) to Hop
        In the order of the first call.
    """

    def __init__(self) -> None:
        self.hops: dict[tuple[str, str], Hop] = {}
        self._local = threading.local()
        self._own_cost_ns = self._outer_cost_ns = 0.0
        self._is_over = True

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return the same function with clocks around it."""
        begin, end = self._begin, self._end

        def timed(*args: Any, **kwargs: Any) -> Any:
            stack = begin(name)
            began = time.thread_time_ns()
            try:
                return function(*args, **kwargs)
            finally:
                end(stack, time.thread_time_ns() - began)

        return timed

    def garbage(self, phase: str, _: object) -> None:
        """Time the garbage collector, which runs in whichever thread makes one object too many."""
        if phase == "start":
            self._local.garbage = (self._begin(_GARBAGE), time.thread_time_ns())
        elif getattr(self._local, "garbage", None) is not None:
            stack, began = self._local.garbage
            self._local.garbage = None
            self._end(stack, time.thread_time_ns() - began)

    def begin(self) -> None:
        """Forget what was timed so far: the opening of a store is not what a frame costs."""
        self.hops.clear()
        self._is_over = False

    def stop(self) -> None:
        """Time nothing from now on."""
        self._is_over = True

    def calibrate(self) -> None:
        """Measure what the clocks around a function cost: within what they time, and outside."""

        def empty() -> None:
            return None

        clocks = Clocks()
        clocks.begin()
        timed = clocks.timed(empty, "empty")
        plain_ns = _loop_ns(empty)
        whole_ns = _loop_ns(timed)
        hop = next(iter(clocks.hops.values()))
        self._own_cost_ns = max(0.0, hop.own_ns / hop.calls - plain_ns)
        self._outer_cost_ns = whole_ns - hop.own_ns / hop.calls

    def own_us(self, hop: Hop) -> float:
        """Return the CPU microseconds of a hop without what the clocks cost."""
        cost_ns = hop.calls * self._own_cost_ns + hop.inner_calls * self._outer_cost_ns
        return (hop.own_ns - cost_ns) / 1e3

    def cost_us(self, thread: str) -> float:
        """Return what the clocks cost a thread."""
        calls = sum(hop.calls for (t, _), hop in self.hops.items() if t == thread)
        return calls * (self._own_cost_ns + self._outer_cost_ns) / 1e3

    def _begin(self, name: str) -> list[list[Any]]:
        try:
            stack = self._local.stack
        except AttributeError:
            stack = self._local.stack = []
            thread = threading.current_thread()
            is_ours = not isinstance(thread, threading._DummyThread)
            self._local.name = thread.name if is_ours else _LIBRARIES
        key = (self._local.name, name)
        hop = self.hops.get(key)
        if hop is None:
            hop = self.hops[key] = Hop()
        stack.append([hop, 0])
        return stack

    def _end(self, stack: list[list[Any]], spent_ns: int) -> None:
        hop, within_ns = stack.pop()
        if self._is_over:
            return
        hop.calls += 1
        hop.own_ns += spent_ns - within_ns
        if stack:
            stack[-1][1] += spent_ns
            stack[-1][0].inner_calls += 1


@contextmanager
def installed(clocks: Clocks, chosen: Callable[[str], bool] = lambda _: True) -> Iterator[None]:
    """Put clocks around the functions of the package, and take them away again."""
    before: list[tuple[Any, str, Any]] = []

    def put(owner: Any, attribute: str, value: Any) -> None:
        before.append((owner, attribute, vars(owner)[attribute]))
        setattr(owner, attribute, value)

    for owner, attribute, function, name in list(_functions()):
        if not chosen(name):
            continue
        timed = clocks.timed(function, name)
        kind = type(vars(owner)[attribute])
        put(owner, attribute, kind(timed) if kind in (classmethod, staticmethod) else timed)
    gc.callbacks.append(clocks.garbage)
    try:
        yield
    finally:
        gc.callbacks.remove(clocks.garbage)
        for owner, attribute, value in reversed(before):
            setattr(owner, attribute, value)


def _functions() -> Iterator[tuple[Any, str, FunctionType, str]]:
    """Yield owner, attribute, function and name of all that a frame may pass through."""
    modules = [m for n, m in list(sys.modules.items()) if n.startswith(_PACKAGE)]
    for module in modules:
        for attribute, found in list(vars(module).items()):
            home = getattr(found, "__module__", None) or ""
            if not isinstance(home, str) or not _is_on_the_way(home):
                continue
            if isinstance(found, FunctionType) and _can_be_timed(found):
                yield module, attribute, found, _name(found)  # wherever it was imported to
            elif isinstance(found, type) and home == module.__name__:
                yield from _methods(found)


def _methods(owner: type) -> Iterator[tuple[type, str, FunctionType, str]]:
    for attribute, found in list(vars(owner).items()):
        function = found.__func__ if isinstance(found, (classmethod, staticmethod)) else found
        is_dunder = attribute.startswith("__")
        if isinstance(function, FunctionType) and not is_dunder and _can_be_timed(function):
            yield owner, attribute, function, _name(function)


def _is_on_the_way(home: str) -> bool:
    return home.startswith(_PACKAGE) and home.split(".")[1] not in _ELSEWHERE


def _can_be_timed(function: FunctionType) -> bool:
    # a generator's time belongs to who iterates over it
    is_called_at_once = not inspect.isgeneratorfunction(function)
    return is_called_at_once and (function.__module__ or "").startswith(_PACKAGE)


def _name(function: FunctionType) -> str:
    return f"{function.__module__.removeprefix(_PACKAGE)}: {function.__qualname__}"


def _loop_ns(function: Callable[[], None]) -> float:
    began = time.thread_time_ns()
    for _ in range(_CALIBRATION):
        function()
    return (time.thread_time_ns() - began) / _CALIBRATION


class Run:
    """One store that is filled through a sink, as an acquisition fills it.

    Attributes
    ----------
    cpu_us : dict of str to float
        CPU microseconds of each thread a frame, from the first frame until the last is written.
    wall_us : float
    """

    def __init__(
        self, load: Load, who: Contender, folder: Path, clocks: Clocks | None = None
    ) -> None:
        count = load.frame_count
        frames, metadata = frames_of(load), runner_metadata_of(load)
        sequence = useq.MDASequence(time_plan=useq.TIntervalLoops(interval=0, loops=count))
        # as of a burst at a stage position
        events = [e.replace(x_pos=1250.5, y_pos=-310.25, z_pos=4.5) for e in sequence]
        camera = po.Camera("Camera", load.side, load.side, "uint16")
        folder.mkdir()
        output = po.Output(folder / f"a.ome.{who.kind}", cameras=[camera], **who.options)
        sink = output.begin()
        sink.setup(sequence, None)
        assert sink.stream is not None
        if clocks is not None:
            clocks.begin()
        before, began = _cpu_of_threads(), time.perf_counter()
        for number, event in enumerate(events):
            image = frames[number % len(frames)][:]  # a view: the sink makes it read-only
            sink.append(image, event, metadata(number, event))
        drain(sink.stream, count)
        self.wall_us = (time.perf_counter() - began) / count * 1e6
        self.cpu_us = {
            name: (cpu_s - before.get(name, 0.0)) / count * 1e6
            for name, cpu_s in _cpu_of_threads().items()
        }
        if clocks is not None:
            clocks.stop()
        sink.close()


def _cpu_of_threads() -> dict[str, float]:
    """Return the CPU seconds of every Python thread by name, and of all others together."""
    threads = [t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)]
    if hasattr(time, "pthread_getcpuclockid"):
        found = {t.name: time.clock_gettime(time.pthread_getcpuclockid(t.ident)) for t in threads}
    else:  # Windows
        times = {t.id: t.user_time + t.system_time for t in psutil.Process().threads()}
        found = {t.name: times.get(t.native_id or 0, 0.0) for t in threads}
    return {**found, _LIBRARIES: time.process_time() - sum(found.values())}


@dataclass
class Round:
    """The same frames twice: once without clocks, once with them."""

    plain: Run
    timed: Run
    clocks: Clocks


def measure(load: Load, who: Contender, folder: Path, rounds: int) -> list[Round]:
    """Fill stores: few frames with clocks everywhere, then in rounds where frames pass."""
    open_once(who, folder / "first")
    few = load.quick()
    for _ in range(2):  # the first imports what a sink imports
        everywhere = Clocks()
        with room(folder) as place, installed(everywhere):
            Run(few, who, place / "run", everywhere)
    passed = {
        name
        for (_, name), hop in everywhere.hops.items()
        if hop.calls >= _FEW_CALLS * few.frame_count
    }
    found = []
    for _ in range(rounds):
        clocks = Clocks()
        clocks.calibrate()
        with room(folder) as place:
            warm_up(place, load.frame_count * load.frame_bytes)
            plain = Run(load, who, place / "run")
        with room(folder) as place:
            warm_up(place, load.frame_count * load.frame_bytes)
            with installed(clocks, passed.__contains__):
                timed = Run(load, who, place / "run", clocks)
        found.append(Round(plain, timed, clocks))
    return found


def rows_of(load: Load, rounds: list[Round]) -> list[tuple[str, ...]]:
    """Return a row for each hop, by thread, in the order of the path: medians of the rounds."""
    count = load.frame_count
    keys = dict.fromkeys(key for one in rounds for key in one.clocks.hops)
    threads = dict.fromkeys([*(thread for thread, _ in keys), *rounds[0].plain.cpu_us])
    rows: list[tuple[str, ...]] = []
    for thread in threads:
        total = median(one.plain.cpu_us.get(thread, 0.0) for one in rounds)
        names = [name for t, name in keys if t == thread]
        if total < _LEAST_US and not names:
            continue
        rows.append((thread, "", "", f"{total:.1f}"))
        shown = 0.0
        for name in names:
            hops = [(one.clocks, one.clocks.hops.get((thread, name), Hop())) for one in rounds]
            own = median(clocks.own_us(hop) for clocks, hop in hops) / count
            calls = median(hop.calls for _, hop in hops) / count
            if own >= _LEAST_US:
                shown += own
                rows.append((f"  {name}", f"{calls:.2f}", f"{own:.2f}", ""))
        if names:
            timed = median(
                one.timed.cpu_us.get(thread, 0.0) - one.clocks.cost_us(thread) / count
                for one in rounds
            )
            rows.append(("  (its own loop, and other functions)", "", f"{timed - shown:.2f}", ""))
    rows.append(("wall", "", "", f"{median(one.plain.wall_us for one in rounds):.1f}"))
    return rows


def main() -> None:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hops",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("contenders", nargs="*", default=["ours-zarr", "ours-tiff"],
                        metavar="CONTENDER", help="default: ours-zarr ours-tiff")  # fmt: skip
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--path", type=Path, default=MEMORY if MEMORY.is_dir() else None)
    asked = parser.parse_args()
    console = Console(width=110, highlight=False, markup=False)
    for name in asked.contenders:
        load = Load("hops", name, frames=asked.frames, side=asked.side)
        with tempfile.TemporaryDirectory(prefix="pymmcore-ome-", dir=asked.path) as folder:
            rounds = measure(load, Contender.of(name), Path(folder), asked.rounds)
        title = (
            f"{name}: {load.side} x {load.side} x {load.frames:,}, CPU a frame "
            f"(medians of {asked.rounds} rounds, {waiting():.1f} processes)"
        )
        console.print(table(title, _HEADS, rows_of(load, rounds)))


if __name__ == "__main__":
    main()
