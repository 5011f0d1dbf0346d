"""Encryption at rest: names, photos' places, crops, templates and index files, under a key that is kept elsewhere."""
