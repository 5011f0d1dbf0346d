"""The library: photo in, faces, templates and decisions out. No user interface, no training framework."""
