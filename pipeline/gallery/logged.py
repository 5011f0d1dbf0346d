"""A write to the truth that stands in the audit log: both happen, or neither does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Connection

from pipeline.gallery import audit
from pipeline.gallery.audit import Note, Scribe
from pipeline.gallery.truth import Truth


@contextmanager
def changing(truth: Truth, scribe: Scribe, *, erases: bool = False) -> Iterator[tuple[Connection, list[Note]]]:
    """A write transaction, and a list: what is put into it goes into the log.

    Args:
        truth: The database.
        scribe: In whose name, and who signs.
        erases: As `Truth.writing`.

    Raises:
        GalleryError: As `Truth.writing`.
        ConfigError: The key that signs the log cannot be used; nothing is changed then.
    """
    noted, anchor = None, scribe.anchor
    with truth.writing(erases=erases) as connection:
        log: list[Note] = []
        yield connection, log
        if log:
            before, after = audit.append(connection, scribe, log)
            if anchor is not None:
                noted = audit.remember(connection, anchor, truth.place.label, before, after)
                if noted is None:
                    anchor.warn_once(truth.place.label)
    if anchor is not None and noted is not None:
        anchor.note(truth.place.label, noted)
