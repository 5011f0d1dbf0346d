"""What the report shows, as compact tables: names, photos and faces once each, and groups that point to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from app.runs.output.rows import readable
from app.runs.output.source import Results, photos, unused
from app.runs.records import FaceRow

Portraits = Callable[[str], bytes | None]
"""The picture of an enrolled person (JPEG or PNG), None where the gallery keeps none."""

_KINDS = {"match": "people", "unknown": "unknown", "ambiguous": "ambiguous", "poor_image": "poor"}
#: How many faces of a section the page shows at first (report.js: FIRST).
SHOWN_FIRST = 24


@dataclass(slots=True)
class ReportData:
    """The report's tables; a number in them is a place in another one.

    Attributes:
        names: Every subject that is named or a candidate.
        photos: Path of each photo that shows a face, then its copies.
        faces: Photo, number, subject, score, threshold, best, best score, runner-up, runner-up score, reason, picture,
            start and end (seconds, videos only), cluster. The picture is filled in by whoever writes them.
        files: Path, code and message of the files without a face.
        groups: `kind`, `tab` (which button shows it), `rows`, and `name` or `cluster`.
        face_ids: Of each face.
    """

    names: list[str] = field(default_factory=list)
    photos: list[list[str]] = field(default_factory=list)
    faces: list[list[Any]] = field(default_factory=list)
    files: list[list[str]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    face_ids: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, name: str | None) -> int | None:
        """Where a subject stands in `names`; it is put there if need be."""
        if name is None:
            return None
        if name not in self._places:
            self._places[name] = len(self.names)
            self.names.append(readable(name))
        return self._places[name]


PICTURE = 10  # place of the picture in a row of `faces`
_SCORE, _SUBJECT = 3, 2


def report_data(run: Results) -> ReportData:
    """The tables of a run, in an order that depends on the run alone."""
    data = ReportData()
    found: dict[tuple[str, str], list[int]] = {}
    for paths, faces in photos(run):
        data.photos.append([readable(path) for path in paths])
        for face in faces:
            found.setdefault(_group_of(face), []).append(len(data.faces))
            data.faces.append(_face(data, len(data.photos) - 1, face))
            data.face_ids.append(face.face_id)
    data.files = [[readable(file.path), code, readable(message)] for file, code, message in unused(run)]
    _loosen(found)
    data.groups = [_group(data, kind, key, rows) for (kind, key), rows in sorted(found.items(), key=_order)]
    if data.files:
        data.groups.append({"kind": "files", "tab": "files", "rows": list(range(len(data.files)))})
    return data


def _group_of(face: FaceRow) -> tuple[str, str]:
    kind = _KINDS.get(face.decision or "", "undecided")
    if kind == "people" and face.subject is not None:
        return kind, face.subject
    if kind == "unknown":
        return (kind, face.cluster) if face.cluster is not None else ("loose", "")
    return kind, ""


def _loosen(found: dict[tuple[str, str], list[int]]) -> None:
    """Clusters of a single face have no section of their own."""
    single = [key for key, rows in found.items() if key[0] == "unknown" and len(rows) == 1]
    if rows := sorted(row for key in single for row in found.pop(key)):
        found["loose", ""] = sorted([*found.get(("loose", ""), []), *rows])


_TABS = ("people", "unknown", "loose", "ambiguous", "poor", "undecided")


def _order(item: tuple[tuple[str, str], list[int]]) -> tuple[Any, ...]:
    """People by name, clusters by size, then the others."""
    (kind, key), rows = item
    size = -len(rows) if kind == "unknown" else 0
    return _TABS.index(kind), size, key.casefold(), key


def _group(data: ReportData, kind: str, key: str, rows: list[int]) -> dict[str, Any]:
    group: dict[str, Any] = {"kind": kind, "tab": "unknown" if kind == "loose" else kind, "rows": rows}
    if kind == "people":
        group["name"] = data.place(key)
    elif kind == "unknown":
        group["cluster"] = readable(key)
    return group


def _face(data: ReportData, photo: int, face: FaceRow) -> list[Any]:
    best, best_score = face.best or (None, None)
    runner_up, runner_up_score = face.runner_up or (None, None)
    return [
        *(photo, face.number, data.place(face.subject), _round(face.score), _round(face.threshold)),
        *(data.place(best), _round(best_score), data.place(runner_up), _round(runner_up_score)),
        *(readable(face.reason), None, _round(face.start_s), _round(face.end_s)),
        readable(face.cluster) if face.cluster is not None else None,
    ]


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def best_faces(data: ReportData) -> dict[int, int]:
    """Of every named subject the row of its face with the highest score."""
    best: dict[int, int] = {}
    for row, face in enumerate(data.faces):
        name = face[_SUBJECT]
        if name is not None and (name not in best or face[_SCORE] > data.faces[best[name]][_SCORE]):
            best[name] = row
    return best


def by_importance(data: ReportData) -> Iterator[int]:
    """Every face: those that stand for a person, then the first of each section in turn, as the page shows them."""
    seen: set[int] = set()

    def strongest(row: int) -> tuple[float, int]:
        return -(data.faces[row][_SCORE] or -2.0), row

    sections = [sorted(group["rows"], key=strongest) for group in data.groups if group["kind"] != "files"]
    longest = max(map(len, sections), default=0)
    first = list(best_faces(data).values())
    turns = (row for start in range(0, longest, SHOWN_FIRST) for row in _turn(sections, start))
    for row in (*first, *turns):
        if row not in seen:
            seen.add(row)
            yield row


def _turn(sections: list[list[int]], start: int) -> Iterator[int]:
    parts = (section[start : start + SHOWN_FIRST] for section in sections if len(section) > start)
    for rank in zip_longest(*parts):
        yield from (row for row in rank if row is not None)
