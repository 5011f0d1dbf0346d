"""What comes out of a run: tables, a report, folders of photos, XMP sidecars."""

from app.runs.output.write import FORMATS, Format, write_results

__all__ = ["FORMATS", "Format", "write_results"]
