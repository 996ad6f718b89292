"""`Instrument`: the microscope, its objective and its detectors, as far as they are known."""

from __future__ import annotations

from pydantic import Field

from .model import Model


class Objective(Model):
    """The objective that the images were taken through.

    Parameters
    ----------
    name : str | None
        What it is called, such as ``"Nikon 10X S Fluor"``.
    manufacturer : str | None
    magnification : float | None
        As printed on it.
    numerical_aperture : float | None
    """

    name: str | None = None
    manufacturer: str | None = None
    magnification: float | None = Field(default=None, gt=0)
    numerical_aperture: float | None = Field(default=None, gt=0)


class Detector(Model):
    """One camera, as a device.

    Parameters
    ----------
    name : str
        The device label.
    manufacturer, model : str | None
    gain, offset : float | None
        As set on the device, in its own units.
    binning : int | None
        Pixels of the chip along each side of a pixel of the image.
    """

    name: str
    manufacturer: str | None = None
    model: str | None = None
    gain: float | None = None
    offset: float | None = None
    binning: int | None = Field(default=None, ge=1)


class Instrument(Model):
    """The microscope.

    Parameters
    ----------
    name, manufacturer : str | None
        The microscope's model and maker.
    objective : Objective | None
    detectors : sequence of Detector
        In the order of the cameras; camera n is detector n.
    """

    name: str | None = None
    manufacturer: str | None = None
    objective: Objective | None = None
    detectors: tuple[Detector, ...] = ()
