"""`install`: string paths of `core.mda.run` and `core.run_mda` are saved by this package.

It shadows the runner's public `run` on the instance. No class is patched, other cores are
not touched, and `uninstall` leaves the core as it was.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

import useq
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.disk import format_of_suffix
from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.metadata import Status

from .listener import EngineListener
from .output import Output

_SHADOWED: Final = ("run", "cancel")


class Installation:
    """The package installed on one core. Made by `install`; also a context manager.

    One run at a time: a run that starts while the last one is still finishing waits for it.
    """

    def __init__(self, core: CMMCorePlus, options: dict[str, Any]) -> None:
        self._options = [options]
        self._listener: EngineListener | None = None
        self._runner: Any = core.mda
        self._run = self._runner.run
        self._cancel = self._runner.cancel
        self._one_run = threading.RLock()
        self._cancel_asked = False
        self.activate()

    def activate(self) -> None:
        """Put the shadows in place, also where something else took them away."""
        for name in _SHADOWED:
            setattr(self._runner, name, getattr(self, name))

    def uninstall(self) -> None:
        """Take the shadows away; harmless when that was done before."""
        if _installed.get(self._runner) is self:
            del _installed[self._runner]
            for name in _SHADOWED:
                self._runner.__dict__.pop(name, None)

    @property
    def options(self) -> dict[str, Any]:
        """The defaults for string paths, of the innermost `install`."""
        return self._options[-1]

    def install_again(self, options: dict[str, Any]) -> None:
        """Use other defaults, until as many blocks are left as were entered."""
        self._options.append(options)
        self.activate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._options.pop()
        if not self._options:
            self._options.append({})
            self.uninstall()

    def cancel(self) -> Any:
        """Cancel the run, as the runner's own `cancel` does."""
        self._cancel_asked = True
        return self._cancel()

    def run(
        self,
        events: Iterable[useq.MDAEvent],
        *,
        output: Any = None,
        overwrite: bool = False,
        **options: Any,
    ) -> None:
        """Run a sequence, as `MDARunner.run`, saving to the outputs that are ours.

        Parameters
        ----------
        events
            A `useq.MDASequence`, or any iterable of events whose number is not known.
        output
            A path, an `Output`, a handler, or a list of them. Paths that end in ``.zarr``,
            ``.tiff`` or ``.tif`` are ours; all others go where they always went.
        overwrite : bool
            For paths: replace a store that is there.

        Raises
        ------
        PymmcoreOmeError
            When the run cannot be saved (before anything moves), or when a frame could not
            be stored (the run is stopped).
        """
        ours, others = self._split(output, overwrite)
        if overwrite and (others or not ours):  # unknown to the runner before 0.18
            options["overwrite"] = overwrite
        if not ours:
            with self._one_run:
                self._run(events, output=output, **options)
            return
        with self._one_run:
            if self._listener is not None and self._listener.is_listening:
                raise AcquisitionError(
                    "A run was started from inside another one, in the same thread. Start it "
                    "when the first has finished, e.g. from sequenceFinished."
                )
            self._saved(events, ours, {"output": others or None, **options})

    def _saved(
        self, events: Iterable[useq.MDAEvent], outputs: list[Output], options: dict[str, Any]
    ) -> None:
        engine = self._runner.engine
        if engine is None:
            raise AcquisitionError("No engine is set on the runner, so nothing can be run.")
        for output in outputs:
            output.check()
        sinks = [output.begin() for output in outputs]
        self._cancel_asked = False
        error: BaseException | None = None
        listener = self._listener = EngineListener(engine, sinks, self._ending)
        try:
            with listener:
                self._run(events, **options)
        except BaseException as raised:
            error = raised
            raise
        finally:
            failure = listener.close_error
            for output in outputs:
                output.end(error or failure)
            if failure is not None and error is None:
                raise failure

    def _ending(self) -> tuple[Status, str | None]:
        """Say how the run ended, as far as the runner knows."""
        finished = getattr(getattr(self._runner, "status", None), "finish_reason", None)
        if finished is None:  # pymmcore-plus before 0.18 does not tell
            finished = "canceled" if self._cancel_asked else "completed"
        match str(finished):
            case "canceled":
                return "canceled", "canceled by the user"
            case "errored":
                return "failed", "the acquisition ended with an error"
            case _:
                return "complete", None

    def _split(self, output: Any, overwrite: bool) -> tuple[list[Output], list[Any]]:
        """Sort outputs into those that are ours, as `Output`, and all others."""
        if output is None:
            return [], []
        single = isinstance(output, (str, os.PathLike)) or not isinstance(output, Sequence)
        ours: list[Output] = []
        others: list[Any] = []
        for item in [output] if single else output:
            if isinstance(item, Output):
                ours.append(item)
            elif isinstance(item, (str, os.PathLike)) and format_of_suffix(item) is not None:
                options = dict(self.options)
                options["overwrite"] = overwrite or options.get("overwrite", False)
                ours.append(Output(item, **options))
            else:
                others.append(item)
        paths = [output.path for output in ours]
        if len(set(paths)) < len(paths):
            raise AcquisitionError("Two outputs of one run name the same path.")
        return ours, others


_installed: weakref.WeakKeyDictionary[Any, Installation] = weakref.WeakKeyDictionary()


def install(core: CMMCorePlus | None = None, **options: Any) -> Installation:
    """Let string paths of `core.mda.run` and `core.run_mda` be saved by this package.

    Installing again on the same core returns the same installation, with the new options.

    Parameters
    ----------
    core : CMMCorePlus, optional
        None: ``CMMCorePlus.instance()``.
    **options
        Defaults for string paths, as the keyword arguments of `Output`.

    Returns
    -------
    Installation
        With ``uninstall()``; also a context manager.

    Examples
    --------
    >>> from pymmcore_plus import CMMCorePlus
    >>> import pymmcore_ome as po
    >>> core = CMMCorePlus()
    >>> installation = po.install(core)
    >>> core.mda.run([], output=None)  # or output="experiment.ome.zarr", and it is saved
    >>> installation.uninstall()
    """
    core = CMMCorePlus.instance() if core is None else core
    if not hasattr(core, "mda"):
        raise AcquisitionError(f"install takes a CMMCorePlus, got {core!r:.80}.")
    Output("check.ome.zarr", **options)  # options that no output knows are refused here
    found = _installed.get(core.mda)
    if found is not None:
        found.install_again(options)
        return found
    installation = _installed[core.mda] = Installation(core, options)
    return installation
