"""The backends of OME-Zarr, and what reads its arrays. They share folders and documents."""
