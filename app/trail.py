"""What of searching goes into the audit log, as the policy says: one entry for many photos, no vector, no name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from app.outcomes import Identification
from pipeline.types import Decision

if TYPE_CHECKING:
    from app.policy import Decisions
    from pipeline.gallery import Gallery

BATCH = 32
"""Photos of one entry."""


def verified(gallery: Gallery, level: Decisions, decision: Decision, photos: Sequence[str]) -> None:
    """Logs that a pair was compared.

    Args:
        gallery: Whose log.
        level: As the policy says; not `off`.
        decision: What was decided.
        photos: SHA-256 of both photos.
    """
    detail: dict[str, Any] = {"decision": decision.kind}
    gallery.record("verify", "", detail | ({"photos": list(photos)} if level == "each" else {}))


def identified(gallery: Gallery, level: Decisions, rows: Sequence[Identification]) -> None:
    """Logs what was decided about the faces of photos."""
    kinds = Counter(decision.kind for row in rows for decision in row.decisions)
    errors = Counter(row.error.code for row in rows if row.error is not None)
    detail: dict[str, Any] = {"photos": len(rows), "decisions": kinds, "errors": errors}
    if level == "each":
        named = {decision.subject for row in rows for decision in row.decisions if decision.subject}
        ids = gallery.subject_ids(sorted(named))
        detail["each"] = [_of_photo(row, ids) for row in rows if row.faces is not None]
    gallery.record("identify", "", detail)


def decided(
    gallery: Gallery, level: Decisions, action: str, contents: Sequence[tuple[str, Sequence[Decision]]]
) -> None:
    """Logs decisions about photos and videos that are known by their SHA-256; "" for a camera.

    Args:
        gallery: Whose log.
        level: As the policy says.
        action: What they were decided for: `run` or `watch`.
        contents: The hash and the decisions of each.
    """
    if level == "off" or not contents:
        return
    kinds = Counter(decision.kind for _, decisions in contents for decision in decisions)
    detail: dict[str, Any] = {"photos": len(contents), "decisions": kinds}
    if level == "each":
        named = {decision.subject for _, decisions in contents for decision in decisions if decision.subject}
        ids = gallery.subject_ids(sorted(named))
        detail["each"] = [_one(sha256, decisions, ids) for sha256, decisions in contents]
    gallery.record(action, "", detail)


def in_batches(gallery: Gallery, level: Decisions, rows: Iterator[Identification]) -> Iterator[Identification]:
    """Passes rows on and logs them: that a search begins before the first, decisions after every `BATCH` rows.

    Whoever stops early, or is stopped by an error, has what was passed on logged; a process that is killed lacks at
    most the last batch.
    """
    gallery.record("search")
    waiting: list[Identification] = []
    try:
        for row in rows:
            waiting.append(row)
            yield row
            if len(waiting) == BATCH:
                done, waiting = waiting, []
                identified(gallery, level, done)
    finally:
        if waiting:
            identified(gallery, level, waiting)


def _of_photo(row: Identification, ids: dict[str, str]) -> dict[str, Any]:
    return _one("" if row.faces is None else row.faces.photo_sha256, row.decisions, ids)


def _one(sha256: str, decisions: Sequence[Decision], ids: dict[str, str]) -> dict[str, Any]:
    return {"sha256": sha256, "decisions": [[one.kind, ids.get(one.subject or "")] for one in decisions]}
