"""The window face: the only room that may import Qt. It holds no panel yet."""
