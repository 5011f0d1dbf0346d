"""Results as rows: the same columns in JSON, CSV, the command line and the web page."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.services import Identification

#: Columns of the CSV; `decision` is the error's code, and `reason` its message, where a photo could not be used.
COLUMNS = (
    *("photo", "face", "x0", "y0", "x1", "y1", "subject", "decision", "score", "threshold"),
    *("runner_up", "runner_up_score", "reason", "start_s", "end_s"),
)
_FORMULA_STARTS = ("=", "+", "-", "@")
_SPLITTING_STARTS = ("\t", "\r", "\n")


def identification_rows(row: Identification) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The JSON rows of one photo or video: one per face or appearance, or the error."""
    if row.error:
        return [], {"photo": row.photo, **row.error.as_dict()}
    if row.detections is None:
        return [], None
    documents = []
    spans = row.appearances.spans if row.appearances else [None] * len(row.decisions)
    for box, decision, span in zip(row.detections.boxes, row.decisions, spans, strict=True):
        best, runner_up = decision.best, decision.runner_up
        documents.append(
            {
                "photo": row.photo,
                "box": [round(float(v), 1) for v in box],
                "subject": decision.subject,
                "decision": decision.kind,
                "score": decision.score,
                "threshold": decision.threshold,
                "best": {"subject": best[0], "score": best[1]} if best else None,
                "runner_up": {"subject": runner_up[0], "score": runner_up[1]} if runner_up else None,
                "reason": decision.reason,
                "operating_point": decision.origin,
                **({} if span is None else {"start_s": span[0], "end_s": span[1]}),
            }
        )
    return documents, None


def as_json(results: Iterable[Identification]) -> str:
    """One document, `{"faces": [...], "errors": [...]}`."""
    faces: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for result in results:
        documents, error = identification_rows(result)
        faces += documents
        errors += [error] if error else []
    return json.dumps({"faces": faces, "errors": errors}, ensure_ascii=False, indent=2) + "\n"


def as_csv(results: Iterable[Identification]) -> str:
    """A table with a row per face, and a row per photo that could not be used.

    Text that a spreadsheet would run as a formula, or that begins with an apostrophe, gets one in front; the JSON has
    it unchanged.
    """
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    for result in results:
        documents, error = identification_rows(result)
        for number, face in enumerate(documents, 1):
            runner_up = face["runner_up"] or {"subject": None, "score": None}
            values = [face["photo"], number, *face["box"], face["subject"], face["decision"], face["score"]]
            values += [face["threshold"], runner_up["subject"], runner_up["score"], face["reason"]]
            values += [face.get("start_s"), face.get("end_s")]
            writer.writerow([csv_cell(value) for value in values])
        if error:
            values = [error["photo"], *[None] * 6, error["error"], *[None] * 4, error["message"], None, None]
            writer.writerow([csv_cell(value) for value in values])
    return stream.getvalue()


def csv_cell(value: Any) -> Any:
    """A value as it stands in a CSV: what a spreadsheet would run as a formula gets an apostrophe in front.

    So does what begins with one already: who takes one leading apostrophe away has the text as it was.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    # spreadsheets trim what cannot be seen, and some take the full-width forms of the signs for the signs
    visible = (c for c in unicodedata.normalize("NFKC", value) if not c.isspace() and unicodedata.category(c)[0] != "C")
    risky = value.startswith((*_SPLITTING_STARTS, "'")) or next(visible, "") in _FORMULA_STARTS
    return f"'{value}" if risky else value
