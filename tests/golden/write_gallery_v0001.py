"""A gallery of the first schema, as the code that had only that schema wrote it (`gallery_v0001.sql`).

It was written at commit 7ea14db with `python -m tests.golden.write_gallery_v0001`; later code makes later schemas, and
this script then refuses. Clock and identities are fixed, so that the same code gives the same file.
"""

from __future__ import annotations

import itertools
import sqlite3
import sys
import tempfile
import uuid
from pathlib import Path
from unittest import mock

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "pipeline" / "gallery"))
from gallery_samples import DIMENSION, MODEL, sample_of  # noqa: E402

from pipeline.gallery.gallery import Gallery  # noqa: E402

FILE = HERE / "gallery_v0001.sql"


def fill(gallery: Gallery) -> None:
    """Three subjects, one of them merged from two, one sample with a crop; one subject removed again."""
    gallery.enrol("Ada", [sample_of("ada 1", crop=b"\x89PNG ada"), sample_of("ada 2", quality=0.5)])
    gallery.enrol("Zoë", [sample_of("zoe")])
    gallery.enrol("Bob", [sample_of("bob")])
    gallery.enrol("Robert", [sample_of("robert")])
    gallery.merge("Robert", "Bob")
    gallery.enrol("Eve", [sample_of("eve")])
    gallery.remove("Eve")
    gallery.rename("Zoë", "Zoë K.")


def main() -> None:
    """Writes the file."""
    numbers = (uuid.UUID(int=number) for number in itertools.count(1))
    ticks = itertools.count(1_700_000_000_000_000_000, 1_000_000_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("uuid.uuid4", side_effect=numbers),
        mock.patch("time.time_ns", side_effect=ticks),
    ):
        with Gallery.open(folder, MODEL, DIMENSION) as gallery:
            fill(gallery)
        with sqlite3.connect(Path(folder) / "gallery.db") as database:
            [(revision,)] = database.execute("SELECT version_num FROM alembic_version").fetchall()
            if revision != "0001":
                raise SystemExit(f"this code makes schema {revision}: write the file with the code that makes 0001")
            text = "\n".join(database.iterdump()) + "\n"
        database.close()
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
