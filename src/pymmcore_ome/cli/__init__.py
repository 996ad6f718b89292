"""The terminal face: the command `pymmcore-ome`."""
