"""Running an acquisition with a progress bar; Ctrl-C cancels it and leaves a valid store."""

from __future__ import annotations

import threading
from collections.abc import Callable

import useq
from pymmcore_plus import CMMCorePlus
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pymmcore_ome.acquisition import Output, install
from pymmcore_ome.stream import Summary


def acquire(
    core: CMMCorePlus, sequence: useq.MDASequence, output: Output, console: Console
) -> Summary:
    """Run a sequence on a core into an output; show frames, rate and time left.

    The acquisition runs in a thread of its own, so that Ctrl-C reaches us at once.

    Raises
    ------
    PymmcoreOmeError, RuntimeError
        Whatever ended the run.
    """
    errors: list[BaseException] = []
    # waited for instead of the thread: an interrupted join() marks a living thread as ended
    # (the release in Thread._wait_for_tstate_lock, bpo-45274; gone since Python 3.13)
    ended = threading.Event()

    def run() -> None:
        try:
            core.mda.run(sequence, output=output)
        except BaseException as error:  # handed to the main thread below
            errors.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=run, name="acquisition")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with install(core), Progress(*columns, console=console) as bar:
        task = bar.add_task("Acquiring", total=None, rate="")
        thread.start()
        _wait(ended, core, lambda: _show(bar, task, output))
        _show(bar, task, output)
    if errors:
        raise errors[0]
    return output.result()


def _wait(ended: threading.Event, core: CMMCorePlus, show: Callable[[], None]) -> None:
    while not ended.is_set():
        try:
            ended.wait(0.1)
            show()
        except KeyboardInterrupt:
            core.mda.cancel()


def _show(bar: Progress, task: object, output: Output) -> None:
    progress = output.progress
    if progress is None:
        return
    bar.update(
        task,  # type: ignore[arg-type]
        total=progress.frames_planned,
        completed=progress.frames_written,
        rate=f"{progress.frames_per_s:.0f} frames/s, {progress.bytes_per_s / 1e6:.0f} MB/s",
    )
