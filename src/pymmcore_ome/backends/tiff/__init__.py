"""The backend of OME-TIFF: the file, its pages, and what reads them."""
