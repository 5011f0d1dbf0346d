"""Runs: a folder of photos and videos identified once, kept in a ledger, resumed, and decided anew when asked.

    walk  ->  work  ->  ledger  ->  decide  ->  output/
    paths     faces     SQLite      names       CSV, JSON Lines, Parquet, HTML, folders, XMP

`records` is how everything else reads a run; nothing here imports a user interface.
"""

from app.runs.records import FaceRow, FileRow, Run, runs_of

__all__ = ["FaceRow", "FileRow", "Run", "runs_of"]
