"""An engine's or a core's methods: shadowed for a while on one instance, compared to the standard.

No class is patched: other instances never notice.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pymmcore_plus.mda import MDAEngine

#: Methods of `MDAEngine` by the beginning of their names: what sets up the microscope, …
SETS_UP: Final = ("setup_", "_set_event_")
#: … what sets it up for an event, …
SETS_UP_EVENTS: Final = (
    "setup_event", "setup_single_event", "setup_sequenced_event", "_set_event_",
)  # fmt: skip
#: … and what acquires.
ACQUIRES: Final = ("exec_", "_exec_")
#: The engine sets regions, and a sequence's setup, since pymmcore-plus 0.18.
SETS_REGIONS: Final = hasattr(MDAEngine, "_set_event_roi")
_ABSENT: Final = object()


@contextmanager
def replaced(owner: Any, name: str, new: Any) -> Iterator[None]:
    """Shadow an attribute of one instance until the end of the block.

    Parameters
    ----------
    owner : object
        Afterwards it has what it had before: its own attribute, or its class's. Not kept alive.
    name : str
    new : object
    """
    before = vars(owner).get(name, _ABSENT)
    setattr(owner, name, new)
    owner, kept = None, weakref.ref(owner)
    try:
        yield
    finally:
        owner = kept()
        if owner is not None and before is _ABSENT:
            vars(owner).pop(name, None)
        elif owner is not None:
            setattr(owner, name, before)


def is_standard(engine: Any, methods: tuple[str, ...] = SETS_UP) -> bool:
    """Whether an engine does something exactly as that of pymmcore-plus.

    One that overrides any of it may know channels and stages that the core does not.

    Parameters
    ----------
    engine : PMDAEngine
    methods : tuple of str
        The beginnings of the names of the methods that do it.
    """
    return isinstance(engine, MDAEngine) and all(
        getattr(type(engine), name) is getattr(MDAEngine, name) and name not in vars(engine)
        for name in vars(MDAEngine)
        if name.startswith(methods)
    )
