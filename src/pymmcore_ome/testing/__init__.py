"""What a third party needs to test a backend or a sink of its own. Shipped, not private."""

from .frames import decoded_number, encoded_frame

__all__ = ["decoded_number", "encoded_frame"]
