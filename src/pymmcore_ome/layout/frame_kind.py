"""`FrameKind`: what all frames of one image have in common. It checks no frame."""

from __future__ import annotations

from typing import NamedTuple

from pymmcore_ome.schema import Camera, Dimension, StorageSchema


class FrameKind(NamedTuple):
    """The pixels of a frame, by the schema or by a camera of its own.

    Attributes
    ----------
    y, x : Dimension
        With the frame's height and width in pixels.
    dtype : str
    samples : int
        Samples of a pixel: 3 for RGB, else 1.
    significant_bits : int | None
    """

    y: Dimension
    x: Dimension
    dtype: str
    samples: int
    significant_bits: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame as its camera delivers it: (height, width), or with 3 samples."""
        plane = self.y.size or 0, self.x.size or 0
        return plane if self.samples == 1 else (*plane, self.samples)

    @classmethod
    def of(cls, schema: StorageSchema, camera: Camera | None = None) -> FrameKind:
        """Return the kind of frame that a camera delivers; None: the one that the schema names."""
        y, x = schema.dimensions[-2:]
        if camera is None:
            return cls(y, x, schema.dtype, schema.samples, schema.significant_bits)
        return cls(
            _resized(y, camera.height, camera.pixel_size_um),
            _resized(x, camera.width, camera.pixel_size_um),
            camera.dtype,
            3 if camera.rgb else 1,
            camera.significant_bits,
        )


def _resized(dim: Dimension, size: int, pixel_size_um: float | None) -> Dimension:
    scale = dim.scale if pixel_size_um is None else pixel_size_um
    unit = dim.unit if pixel_size_um is None else "micrometer"
    return dim.replace(size=size, coords=None, scale=scale, unit=unit)
