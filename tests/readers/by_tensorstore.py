"""tensorstore: the arrays and their dimension names."""

from __future__ import annotations

from pathlib import Path

import tensorstore

from .found import Found, as_tczyx, image_groups


def read(path: Path) -> dict[str, Found]:
    found = {}
    for name in image_groups(path):
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / name / "0")}}
        array = tensorstore.open(spec, read=True, open=True).result()
        axes = "".join(array.domain.labels)
        found[name] = Found(as_tczyx(array.read().result(), axes), {"axes": axes})
    return found
