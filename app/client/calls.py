"""Each verb as a request and how its answer is read: what the client for threads and the one for asyncio share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from app.client import reading
from app.client.problems import error_of, misread, renamed
from app.client.reading import Page
from app.client.rows import Status
from app.outcomes import Enrolment, Identification
from pipeline.errors import ConsentMissingError, DuplicatePhotoError, KnownfaceError, LookalikeError, PhotoError
from pipeline.gallery.names import normalise
from pipeline.gallery.records import SubjectDetail, SubjectInfo
from pipeline.types import Decision, OperatingPoint

if TYPE_CHECKING:
    from app.erasing import Erasure
    from app.photos import Upload
    from pipeline.gallery import Entry, NewConsent, Verdict

Answer = TypeVar("Answer")
_PAGE = 500
#: What in a batch becomes a row.
_ROWS = (PhotoError, ConsentMissingError, DuplicatePhotoError, LookalikeError)


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request.

    Attributes:
        method, path: Of the address.
        read: Makes the result of the answer's JSON.
        again: Sending it twice does what sending it once does.
        query, form, headers: Texts by name.
        body: JSON, None for none.
        content: The body as it is, None for none.
        files: The form's field, the name and the bytes of each photo.
        refused: Makes the result of an error; by default it is raised.
    """

    method: str
    path: str
    read: Callable[[Any], Answer]
    again: bool = True
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    files: Sequence[tuple[str, str, bytes]] = ()
    refused: Callable[[KnownfaceError], Answer] | None = None

    def request(self) -> dict[str, Any]:
        """What httpx is asked for; it can be asked as often as one likes."""
        files = [(name, (called, data)) for name, called, data in self.files]
        shared = {"method": self.method, "url": self.path, "headers": dict(self.headers), "params": dict(self.query)}
        bodies = {"json": self.body, "content": self.content, "data": dict(self.form) or None, "files": files or None}
        return shared | bodies

    def result(self, response: httpx.Response) -> Answer:
        """The result, of the last answer; its body was read.

        Raises:
            KnownfaceError: It is none.
        """
        if response.is_success:
            try:
                return self.read(response.json())
            except (ValueError, KeyError, TypeError, AttributeError) as unclear:
                raise misread(response.request.url, response.status_code) from unclear
        error = error_of(response)
        if self.refused is None:
            raise error
        return self.refused(error)


def path_of(*parts: str) -> str:
    """An address: what comes from a name stays one part of it."""
    return "/v1/" + "/".join(_quoted(part) for part in parts)


def subject_path(name: str, *more: str) -> str:
    """The address of a subject.

    Raises:
        SubjectNameError: Nobody can be called so.
    """
    return path_of("subjects", normalise(name), *more)


def _quoted(part: str) -> str:
    """Part of an address; one of dots only would be taken for a step up."""
    quoted = quote(part, safe="", errors="replace")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def consent_form(consent: NewConsent | None) -> dict[str, str]:
    """A consent as fields of a form, or as JSON."""
    if consent is None:
        return {}
    said = {
        "consent_purpose": consent.purpose,
        "consent_basis": consent.basis,
        "consent_until": None if consent.expires is None else consent.expires.isoformat(),
        "consent_text_version": consent.text_version,
        "consent_evidence": consent.evidence,
        "consent_given_by": consent.given_by,
    }
    return {name: value for name, value in said.items() if value is not None}


def nothing(_: Any) -> None:
    """Reads an answer that says no more than that it was done."""


# --- photos ---------------------------------------------------------------------------------------------------


def ready() -> Call[str]:
    """Whether the server can answer."""
    return Call("GET", "/readyz", lambda said: str(said["model_id"]))


def status() -> Call[Status]:
    """Which model the gallery is searched with."""
    return Call("GET", path_of("models", "status"), reading.status)


def verify(a: Upload, b: Upload, face_a: int | None, face_b: int | None) -> Call[Decision]:
    """Whether two photos show one person."""
    numbers = {"face_a": face_a, "face_b": face_b}
    names = {"a": a.name, "b": b.name}

    def refused(error: KnownfaceError) -> Decision:
        for sent, name in names.items():
            before = error.message
            if renamed(error, sent, name).message != before:
                break
        raise error

    return Call(
        "POST",
        path_of("verify"),
        reading.verified,
        form={name: str(number) for name, number in numbers.items() if number is not None},
        files=[("a", "a", a.data), ("b", "b", b.data)],
        refused=refused,
    )


def identify(photos: Sequence[Upload], allow_repeats: bool | None) -> Call[list[Identification]]:
    """Who is in photos; each is sent under its number, so that two of one name stay apart."""
    names = [photo.name for photo in photos]
    return Call(
        "POST",
        path_of("identify"),
        lambda said: reading.identified(said, names),
        form={} if allow_repeats is None else {"allow_repeats": str(allow_repeats).lower()},
        files=[("photos", str(number), photo.data) for number, photo in enumerate(photos)],
    )


def enrol(
    subject: str, photo: Upload, face: int | None, consent: NewConsent | None, refuse_lookalikes: bool
) -> Call[Enrolment]:
    """Enrols one photo: under a key of its own, so that it may be sent again."""
    from pipeline.images import one_line

    shown = one_line(PurePath(photo.name.replace("\\", "/")).name)[:255] or "photo"
    sent = shown.replace("\\", "_").replace('"', "_")  # a form would change them

    def refused(error: KnownfaceError) -> Enrolment:
        if not isinstance(error, _ROWS):
            raise error
        return Enrolment(subject, photo.name, error=renamed(error, sent, photo.name))

    form = consent_form(consent) | ({} if face is None else {"face": str(face)})
    if refuse_lookalikes:
        form["refuse_lookalikes"] = "true"
    return Call(
        "POST",
        subject_path(subject, "samples"),
        lambda said: reading.enrolled(said, photo.name),
        form=form,
        headers={"Idempotency-Key": token_hex(16)},
        files=[("photos", sent, photo.data)],
        refused=refused,
    )


# --- subjects -------------------------------------------------------------------------------------------------


def subjects(search: str | None, cursor: str | None) -> Call[Page[SubjectInfo]]:
    """A page of who is enrolled."""
    query = {"limit": str(_PAGE), "search": search, "cursor": cursor}
    known = {name: value for name, value in query.items() if value is not None}
    return Call("GET", path_of("subjects"), reading.subjects, query=known)


def subject(name: str) -> Call[SubjectDetail]:
    """A subject and its samples."""
    return Call("GET", subject_path(name), reading.subject)


def rename(old: str, new: str) -> Call[None]:
    """Another name for a subject."""
    return Call("PATCH", subject_path(old), nothing, again=False, body={"name": new})


def merge(source: str, target: str) -> Call[int]:
    """Every sample of a subject to another one."""
    path = subject_path(source, "merge")
    return Call("POST", path, lambda said: int(said["samples"]), again=False, body={"into": target})


def split(subject: str, sample_ids: Sequence[str], new_name: str, consent: NewConsent | None) -> Call[None]:
    """Samples of a subject to a new one."""
    body = {"samples": list(sample_ids), "name": new_name} | consent_form(consent)
    return Call("POST", subject_path(subject, "split"), nothing, again=False, body=body)


def remove(name: str) -> Call[int]:
    """Removes a subject."""
    return Call("DELETE", subject_path(name), lambda said: int(said["samples"]), again=False)


def remove_sample(subject: str, sample_id: str) -> Call[None]:
    """Erases a sample."""
    return Call("DELETE", subject_path(subject, "samples", sample_id), nothing, again=False)


def erase(name: str, reason: str) -> Call[Erasure]:
    """Erases a subject everywhere, and certifies it."""
    path = subject_path(name, "erasure")
    return Call("POST", path, reading.erased, again=False, body={"reason": reason})


# --- upkeep ---------------------------------------------------------------------------------------------------


def operating_points() -> Call[tuple[OperatingPoint, ...]]:
    """Which score is a match."""
    return Call("GET", path_of("calibration"), reading.operating_points)


def audit(after: str, actor: str | None, action: str | None) -> Call[Page[Entry]]:
    """A page of the audit log."""
    query = {"limit": str(_PAGE), "after": after, "actor": actor, "action": action}
    known = {name: value for name, value in query.items() if value is not None}
    return Call("GET", path_of("audit"), reading.audit_page, query=known)


def verify_audit() -> Call[Verdict]:
    """Whether the log is whole."""
    return Call("GET", path_of("audit", "verification"), reading.audit_verdict)
