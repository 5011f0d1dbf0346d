"""Decoding photos (stub of the interface; filled in next)."""
