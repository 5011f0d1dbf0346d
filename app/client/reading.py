"""A server's answers into the library's rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from app.client.problems import error_named, renamed
from app.client.rows import (
    RunState,
    Status,
    Unknown,
    UnknownFace,
    UnknownInfo,
    box_of,
    decision_of,
)
from app.outcomes import Enrolment, EnrolmentWarning, Identification
from pipeline.errors import PhotoError
from pipeline.gallery.records import SampleInfo, SubjectDetail, SubjectInfo
from pipeline.types import Decision, Detections, LikelihoodRatio, OperatingPoint

if TYPE_CHECKING:
    from app.erasing import Erasure
    from pipeline.gallery import Entry, Verdict

Row = TypeVar("Row")
Json = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and what to ask for to get the next ones; None where these are the last."""

    rows: Sequence[Row]
    cursor: str | None


# --- photos ---------------------------------------------------------------------------------------------------


def verified(said: Json) -> Decision:
    """Of `POST /v1/verify`."""
    return decision_of(said, said["model_id"])


def identified(said: Json, names: Sequence[str]) -> list[Identification]:
    """Of `POST /v1/identify`: a row for each photo, which was sent as its number.

    Args:
        said: The answer.
        names: What the photos are called here.
    """
    faces: dict[str, list[Json]] = defaultdict(list)
    for face in said["faces"]:
        faces[face["photo"]].append(face)
    errors = {failed["photo"]: failed for failed in said["errors"]}
    return [
        _not_seen(str(number), name, errors[str(number)])
        if str(number) in errors
        else Identification(name, decisions=_decisions(faces[str(number)]), boxes=_detections(faces[str(number)]))
        for number, name in enumerate(names)
    ]


def _decisions(faces: Sequence[Json]) -> tuple[Decision, ...]:
    return tuple(decision_of(face, face["model_id"]) for face in faces)


def _detections(faces: Sequence[Json]) -> Detections:
    return Detections(
        np.array([face["box"] for face in faces], np.float32).reshape(-1, 4),
        np.array([face["confidence"] for face in faces], np.float32),
        np.array([face["landmarks"] for face in faces], np.float32).reshape(-1, 5, 2),
        (faces[0]["image_hw"][0], faces[0]["image_hw"][1]) if faces else (0, 0),
    )


def _not_seen(sent: str, name: str, failed: Json) -> Identification:
    error = renamed(error_named(failed["error"], failed["message"]), sent, name)
    if not isinstance(error, PhotoError):  # a row has one of these; no server of ours says anything else
        raise error
    return Identification(name, error=error)


def enrolled(said: Json, name: str) -> Enrolment:
    """Of `POST /v1/subjects/{name}/samples` with one photo.

    Args:
        said: The answer.
        name: What the photo is called here.
    """
    (one,) = said["enrolled"]
    return Enrolment(
        one["subject"],
        name,
        one["sample_id"],
        already=one["already"],
        warnings=tuple(_warning(found) for found in one.get("warnings", ())),
    )


def _warning(said: Json) -> EnrolmentWarning:
    return EnrolmentWarning(said["kind"], said["subject"] or "", said["score"], said["threshold"])


# --- subjects -------------------------------------------------------------------------------------------------


def subjects(said: Json) -> Page[SubjectInfo]:
    """Of `GET /v1/subjects`."""
    rows = [SubjectInfo(one["subject"], one["samples"], _time(one["created"])) for one in said["subjects"]]
    return Page(rows, said["next"])


def subject(said: Json) -> SubjectDetail:
    """Of `GET /v1/subjects/{name}`."""
    samples = tuple(_sample(one) for one in said["samples"])
    return SubjectDetail(SubjectInfo(said["subject"], len(samples), _time(said["created"])), samples)


def _sample(one: Json) -> SampleInfo:
    return SampleInfo(
        id=one["id"],
        source=one["photo"],
        photo_sha256=one["photo_sha256"],
        box=box_of(one["box"]),
        landmarks=np.array(one["landmarks"], np.float32).reshape(5, 2),
        confidence=one["confidence"],
        image_hw=(one["image_hw"][0], one["image_hw"][1]),
        quality=one["quality"],
        created=_time(one["created"]),
        has_template=one["has_template"],
    )


def erased(said: Json) -> Erasure:
    """Of `POST /v1/subjects/{name}/erasure`."""
    from app.erasing import Erasure
    from app.traces import Scan, Trace

    scan = said["scan"]
    return Erasure(
        subject_id=said["subject_id"],
        samples=said["samples"],
        run_faces=said["run_faces"],
        results=tuple(said["results_written_anew"]),
        not_written=tuple(said["results_not_written"]),
        scan=Scan(
            files=scan["files"],
            size=scan["size"],
            unread=tuple(scan["unread"]),
            traces=tuple(Trace(**one) for one in scan["traces"]),
            links=tuple(scan["links"]),
        ),
        others=tuple(said["name_also_stands_as"]),
        entry=(said["audit_entry"]["id"], said["audit_entry"]["entry_hash"]),
        placed=said["sorted_removed"],
        sidecars=said["sidecars_changed"],
        left=tuple(said["left_as_it_was"]),
        absent=tuple(said["not_there"]),
    )


# --- unknown people and runs ----------------------------------------------------------------------------------


def unknowns(said: Json) -> list[UnknownInfo]:
    """Of `GET /v1/unknowns`."""
    return [UnknownInfo(one["cluster"], one["faces"], one["subject"]) for one in said["clusters"]]


def unknown(said: Json) -> Unknown:
    """Of `GET /v1/unknowns/{cluster}`."""
    faces = tuple(
        UnknownFace(one["face_id"], one["run"], one["photo"], box_of(one["box"]), one["quality"])
        for one in said["faces"]
    )
    return Unknown(said["cluster"], said["subject"], tuple(said["aliases"]), faces)


def run_state(said: Mapping[str, Any]) -> RunState:
    """Of `GET /v1/runs/{name}`, and of its events."""
    return RunState(**{name: said[name] for name in RunState.__slots__})


# --- upkeep ---------------------------------------------------------------------------------------------------


def status(said: Json) -> Status:
    """Of `GET /v1/models/status`."""
    return Status(said["model_id"], said["subjects"], said["runtimes"], tuple(said["notes"]))


def operating_points(said: Json) -> tuple[OperatingPoint, ...]:
    """Of `GET /v1/calibration`."""
    return tuple(_point(one) for one in (*said["calibration"], *said["card"]))


def _point(one: Json) -> OperatingPoint:
    likelihood = one.get("likelihood")
    return OperatingPoint(**one | {"likelihood": LikelihoodRatio(**likelihood) if likelihood else None})


def audit_page(said: Json) -> Page[Entry]:
    """Of `GET /v1/audit`."""
    cursor = said["next"]
    return Page([_entry(one) for one in said["entries"]], None if cursor is None else str(cursor))


def _entry(one: Json) -> Entry:
    from pipeline.gallery import Entry

    at_us = (_time(one["at"]) - _EPOCH) // timedelta(microseconds=1)
    detail = json.dumps(one["detail"], sort_keys=True, separators=(",", ":"))  # the text that was hashed
    kept = {name: one[name] for name in ("id", "actor", "action", "target", "previous_hash", "entry_hash")}
    return Entry(at_us=at_us, detail=detail, **kept)


def audit_verdict(said: Json) -> Verdict:
    """Of `GET /v1/audit/verification`."""
    from pipeline.gallery import Finding, Verdict
    from pipeline.gallery.anchor import End

    end = said.get("end")
    findings = tuple(Finding(**one) for one in said["findings"])
    return Verdict(said["entries"], End(**end) if end else None, said["signed_by"], findings)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
