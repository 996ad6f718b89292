"""From a useq sequence to a storage schema. Needs no microscope."""
