"""One contender, one load, one process: ``python -m benchmarks.one LOAD CONTENDER FOLDER``.

The load is JSON, the figures are printed as JSON. What a contender cannot do is an answer,
too: ``{"why_not": …}``.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import psutil

from .figures import files_in
from .loads import Load


def main() -> None:
    """Run what the command line says."""
    fields = json.loads(sys.argv[1])
    load = Load(
        **{
            name: tuple(tuple(v) if isinstance(v, list) else v for v in value)
            if isinstance(value, list)
            else value
            for name, value in fields.items()
        }
    )
    folder = Path(sys.argv[3]) / "load"  # beside it is what belongs to nobody's figures
    folder.mkdir()
    logging.getLogger("pymmcore-plus").setLevel(logging.WARNING)
    logging.getLogger("pymmcore-ome").setLevel(logging.ERROR)
    module = import_module(f".{load.kind}_loads", __package__)
    try:
        figures = module.run(load, sys.argv[2], folder)
    except (ImportError, NotImplementedError, ValueError) as error:
        print(json.dumps({"why_not": f"{type(error).__name__}: {error}"[:300]}))
        return
    figures.files = files_in(folder)
    figures.peak_bytes = max(figures.peak_bytes, psutil.Process().memory_info().rss)
    print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
