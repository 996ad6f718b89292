"""What the blocks of the pages need to run as they would in a process of their own."""

from __future__ import annotations

import pytest
from pymmcore_plus.core import _mmcore_plus


@pytest.fixture(autouse=True)
def own_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a page a core of its own: another test's keeps what its configuration had set.

    An engine that restores the stages does so after another configuration was loaded, too, and
    warns where that one does not know the direction of the focus.
    """
    monkeypatch.setattr(_mmcore_plus, "_instance", None)
