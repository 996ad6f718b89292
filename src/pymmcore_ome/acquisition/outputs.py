"""What `output=` of a run means: which outputs are ours, with which options. It opens nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymmcore_ome.disk import format_of_suffix
from pymmcore_ome.errors import AcquisitionError, OptionError

from .output import Output

_OVERRIDES: Final = {"chunk_size", "shard_size_chunks"}


def sort_outputs(
    output: Any,
    defaults: Mapping[str, Any],
    overwrite: bool,
    overrides: Mapping[str, Mapping[str, int]] | None,
) -> tuple[list[Output], list[Any]]:
    """Sort outputs into those that are ours, as `Output`, and all others.

    Parameters
    ----------
    output
        A path, an `Output`, a handler, a list of them, or None.
    defaults : mapping
        Keyword arguments of `Output` for paths.
    overwrite : bool
        For paths.
    overrides : mapping of axis name to mapping, or None
        The runner's ``dimension_overrides``, for paths.

    Raises
    ------
    OptionError, StorePathError, AcquisitionError
        When a path or an option is none, or two outputs are one.
    """
    if output is None:
        return [], []
    single = isinstance(output, (str, os.PathLike)) or not isinstance(output, Sequence)
    ours: list[Output] = []
    others: list[Any] = []
    for item in [output] if single else output:
        if isinstance(item, Output):
            ours.append(item)
        elif isinstance(item, (str, os.PathLike)) and format_of_suffix(item) is not None:
            options = dict(defaults)
            options["overwrite"] = overwrite or options.get("overwrite", False)
            options.update(_overridden(options, overrides or {}))
            ours.append(Output(item, **options))
        else:
            others.append(item)
    paths = [output.path.resolve() for output in ours]
    if len(set(paths)) < len(paths):
        raise AcquisitionError("Two outputs of one run name the same path.")
    return ours, others


def _overridden(
    options: Mapping[str, Any], overrides: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Return the runner's `dimension_overrides` as our chunks and shards, in elements."""
    if not overrides:
        return {}
    for axis, changes in overrides.items():
        if unknown := set(changes) - _OVERRIDES:
            raise OptionError(
                f"dimension_overrides[{axis!r}] knows {sorted(_OVERRIDES)}, got {sorted(unknown)}."
            )
    chosen, shards = options.get("chunks") or {}, dict(options.get("shards") or {})
    chunks = dict(chosen) if isinstance(chosen, Mapping) else {}
    for axis, changes in overrides.items():
        if "chunk_size" in changes:
            chunks[axis] = changes["chunk_size"]
        if "shard_size_chunks" in changes:
            if axis not in chunks:
                raise OptionError(
                    f"dimension_overrides[{axis!r}]: shard_size_chunks needs a chunk_size."
                )
            shards[axis] = changes["shard_size_chunks"] * chunks[axis]
    return {"chunks": chunks or None, "shards": shards or None}
