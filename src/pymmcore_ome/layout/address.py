"""`FrameAddress`: the place of one frame in storage."""

from __future__ import annotations

from typing import NamedTuple


class FrameAddress(NamedTuple):
    """Where one frame goes.

    Attributes
    ----------
    image : str
        Path of the image's group inside the store, ``""`` when the store is one image.
    index : tuple of int
        In storage order, without Y and X.
    image_number : int
        The image's number, in order of first visit.
    """

    image: str
    index: tuple[int, ...]  # type: ignore[assignment]  # the contract's word hides tuple.index
    image_number: int
