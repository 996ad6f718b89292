"""`open_stream`: every check first, then the store, then the stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Unpack

from pymmcore_ome.errors import MapErrors, OptionError, StorePathError
from pymmcore_ome.schema import StorageSchema

from .options import SaveOptions, SaveOptionsDict, lists_options
from .plan import StorePlan, plan_store
from .resume import resumed
from .store import Store
from .stream import Stream


@lists_options
def open_stream(
    path: str | os.PathLike[str],
    schema: StorageSchema,
    *,
    acquisition: Mapping[str, Any] | None = None,
    **options: Unpack[SaveOptionsDict],
) -> Stream:
    """Make a store and return the stream that fills it.

    Everything that can be known to be wrong is refused before a file is made, all reasons
    at once.

    Parameters
    ----------
    path : path-like
        A local path; missing parent folders are made.
    schema : StorageSchema
    acquisition : mapping, optional
        Kept as it is at the root of the store (the sequence, the summary metadata).
    **options
        As `SaveOptions`.

    Returns
    -------
    Stream

    Raises
    ------
    OptionError, SchemaError
        Options or a schema that cannot be written.
    StorePathError
        A path that cannot be used; StoreExistsError when something is there.
    """
    chosen = SaveOptions.of(options, "acquisition")
    return open_planned(plan_store(path, schema, chosen), chosen, acquisition)


def open_planned(
    plan: StorePlan,
    options: SaveOptions,
    acquisition: Mapping[str, Any] | None = None,
    differences: Callable[[Mapping[str, Any]], list[str]] | None = None,
) -> Stream:
    """Make the store of a plan and return the stream that fills it.

    Parameters
    ----------
    plan : StorePlan
        Made with the same options.
    options : SaveOptions
    acquisition : mapping, optional
        As `open_stream`.
    differences : callable, optional
        Given the acquisition of a store that is resumed, returns why it is not this one.

    Raises
    ------
    StorePathError
        When the store cannot be made; nothing is left behind. ResumeError when it cannot be
        resumed.
    """
    if acquisition is not None and not isinstance(acquisition, Mapping):
        raise OptionError(f"acquisition must be a mapping, got {acquisition!r:.80}.")

    if plan.resumes:
        with resumed(plan, options, differences) as store:
            return Stream(store, options)

    def not_made(error: Exception) -> StorePathError:
        left = [str(part) for part in plan.place.parts if os.path.lexists(part)]
        what = (
            "Nothing was left behind"
            if options.overwrite or not left
            else (
                f"What was left behind could not be deleted; delete it yourself: {', '.join(left)}"
            )
        )
        return StorePathError(f"{plan.place.path} could not be made: {error}. {what}.")

    with MapErrors(not_made):
        if options.resume and plan.place.is_empty:
            plan.place.remove_empty()
        making = Store.made(
            plan.place,
            plan.layout,
            plan.backend(),
            plan.options,
            overwrite=plan.replaces,
            acquisition=acquisition or {},
        )
        with making as store:
            return Stream(store, options)
