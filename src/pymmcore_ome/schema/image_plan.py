"""`ImagePlan`: one image of its own size, where images are not all alike."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from .camera import Camera
from .dimension import Dimension
from .model import Model
from .position import Position


class ImagePlan(Model):
    """One image, and which acquisition index leads to it.

    Parameters
    ----------
    at : mapping of str to int
        The part of the index that selects the image, such as ``{"p": 1, "g": 2}``.
    position : Position
        Where it is taken; its name and label are the image's.
    dimensions : sequence of Dimension
        Its own loops, positions and y, x left out. ``cam`` folds into the channels.
    camera : Camera | None
        What delivers its frames. None: frames are as the schema says.
    repeats : int
        How often an index may come at most. The k-th repeat goes to time ``t + k * T``, T
        being the size of ``t`` (1 without one): a frame never overwrites another.
    """

    at: dict[str, int] = Field(default_factory=dict)
    position: Position = Position()
    dimensions: tuple[Dimension, ...] = ()
    camera: Camera | None = None
    repeats: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _dimensions_are_axes(self) -> Self:
        names = [dim.name for dim in self.dimensions]
        if len(set(names)) < len(names):
            raise ValueError(f"dimension names repeat: {names}")
        for dim in self.dimensions:
            if dim.makes_images or dim.name in ("y", "x"):
                raise ValueError(f"dimension {dim.name!r} belongs to the schema, not to an image")
            if dim.size is None:
                raise ValueError(f"dimension {dim.name!r} of an image needs a size")
        return self
