"""`python -m pymmcore_ome` is the command `pymmcore-ome`."""

from pymmcore_ome.cli.app import main

main()
