"""`StoreRecord`: what the package writes of itself at the root of a store.

One JSON object under the key ``pymmcore_ome`` of the root's attributes. It holds the
schema, so that a store can be read back, finished or not, without guessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args

KEY: Final = "pymmcore_ome"

Status = Literal["complete", "canceled", "failed", "incomplete", "recovered"]


@dataclass(frozen=True)
class StoreRecord:
    """The package's own page in a store.

    Attributes
    ----------
    version : str
        Version of pymmcore-ome that wrote the store.
    schema : dict
        The `StorageSchema`, as JSON.
    status : str
        ``"incomplete"`` from the first byte until the stream is closed.
    reason : str | None
        Why the status is what it is, in words, for ``"failed"`` and ``"canceled"``.
    backend : str
    started, ended : str | None
        ISO 8601, with offset from UTC.
    frames : dict
        ``planned`` (None: unbounded), ``written``, ``skipped``.
    acquisition : dict
        What the acquisition said of itself: the sequence and the summary metadata.
    """

    version: str
    schema: Mapping[str, Any]
    status: Status = "incomplete"
    reason: str | None = None
    backend: str = ""
    started: str | None = None
    ended: str | None = None
    frames: Mapping[str, int | None] = field(default_factory=dict)
    acquisition: Mapping[str, Any] = field(default_factory=dict)

    def to_attributes(self) -> dict[str, Any]:
        """Return the record as attributes of the root."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_attributes(cls, found: Any) -> StoreRecord | None:
        """Read back what `to_attributes` gave; None where there is no such thing."""
        if not isinstance(found, Mapping) or "schema" not in found:
            return None
        if found.get("status") not in get_args(Status) or not isinstance(found["schema"], Mapping):
            return None
        plain = {
            key: found.get(key) for key in ("version", "backend", "reason", "started", "ended")
        }
        return cls(
            schema=found["schema"],
            status=found["status"],
            frames=_mapping(found.get("frames")),
            acquisition=_mapping(found.get("acquisition")),
            version=str(plain.pop("version")),
            backend=str(plain.pop("backend")),
            **{key: None if value is None else str(value) for key, value in plain.items()},
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
