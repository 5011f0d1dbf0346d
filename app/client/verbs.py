"""What can be asked of a server about photos, subjects and upkeep: each verb once, for both clients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import PurePath
from secrets import token_hex
from typing import TYPE_CHECKING

from app.client import reading
from app.client.calls import Call, consent_form, nothing, path_of, subject_path
from app.client.core import Row, Rows, Steps, ask, done, pages
from app.client.photos import PhotoLike, in_order, opened, together, upload_of, uploads_of
from app.client.problems import renamed
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

_PAGE = 500
#: What in a batch becomes a row.
_ROWS = (PhotoError, ConsentMissingError, DuplicatePhotoError, LookalikeError)


# --- photos ---------------------------------------------------------------------------------------------------


def ready() -> Steps[str]:
    """Whether the server can answer."""
    return ask(Call("GET", "/readyz", lambda said: str(said["model_id"])))


def status() -> Steps[Status]:
    """Which model the gallery is searched with."""
    return ask(Call("GET", path_of("models", "status"), reading.status))


def verify(a: PhotoLike, b: PhotoLike, *, face_a: int | None = None, face_b: int | None = None) -> Steps[Decision]:
    """Whether two photos show one person."""
    one = yield from done(lambda: upload_of(a))
    other = yield from done(lambda: upload_of(b))
    numbers = {"face_a": face_a, "face_b": face_b}
    names = {"a": one.name, "b": other.name}

    def refused(error: KnownfaceError) -> Decision:
        for sent, name in names.items():
            before = error.message
            if renamed(error, sent, name).message != before:
                break
        raise error

    return (
        yield from ask(
            Call(
                "POST",
                path_of("verify"),
                reading.verified,
                form={name: str(number) for name, number in numbers.items() if number is not None},
                files=[("a", "a", one.data), ("b", "b", other.data)],
                refused=refused,
            )
        )
    )


def identify(photos: Iterable[PhotoLike], *, allow_repeats: bool | None = None) -> Rows[Identification]:
    """Who is in photos; some go in each request."""
    parts = together(photos)
    while (part := (yield from done(lambda: next(parts, None)))) is not None:
        uploads = uploads_of(part)
        rows = (yield from _identified(uploads, allow_repeats)) if uploads else []
        for row in in_order(part, rows):
            yield Row(row)


def _identified(photos: Sequence[Upload], allow_repeats: bool | None) -> Steps[list[Identification]]:
    """Who is in photos; each is sent under its number, so that two of one name stay apart."""
    names = [photo.name for photo in photos]
    return ask(
        Call(
            "POST",
            path_of("identify"),
            lambda said: reading.identified(said, names),
            form={} if allow_repeats is None else {"allow_repeats": str(allow_repeats).lower()},
            files=[("photos", str(number), photo.data) for number, photo in enumerate(photos)],
        )
    )


def enrol(
    subject: str,
    photos: Iterable[PhotoLike],
    *,
    face: int | None = None,
    consent: NewConsent | None = None,
    refuse_lookalikes: bool = False,
) -> Steps[list[Enrolment]]:
    """Enrols photos, one in each request."""
    subject, rows = normalise(subject), list[Enrolment]()
    form = consent_form(consent) | ({} if face is None else {"face": str(face)})
    if refuse_lookalikes:
        form["refuse_lookalikes"] = "true"
    for photo in photos:
        found = yield from done(partial(opened, photo))
        if isinstance(found, PhotoError):
            rows.append(Enrolment(subject, str(photo), error=found))
        else:
            rows.append((yield from _enrolled(subject, found, form)))
    return rows


def _enrolled(subject: str, photo: Upload, form: dict[str, str]) -> Steps[Enrolment]:
    """Enrols one photo: under a key of its own, so that it may be sent again."""
    from pipeline.images import one_line

    shown = one_line(PurePath(photo.name.replace("\\", "/")).name)[:255] or "photo"
    sent = shown.replace("\\", "_").replace('"', "_")  # a form would change them

    def refused(error: KnownfaceError) -> Enrolment:
        if not isinstance(error, _ROWS):
            raise error
        return Enrolment(subject, photo.name, error=renamed(error, sent, photo.name))

    return ask(
        Call(
            "POST",
            subject_path(subject, "samples"),
            lambda said: reading.enrolled(said, photo.name),
            form=form,
            headers={"Idempotency-Key": token_hex(16)},
            files=[("photos", sent, photo.data)],
            refused=refused,
        )
    )


# --- subjects -------------------------------------------------------------------------------------------------


def subjects(*, search: str | None = None) -> Rows[SubjectInfo]:
    """Who is enrolled."""

    def page(cursor: str | None) -> Call[Page[SubjectInfo]]:
        return Call("GET", path_of("subjects"), reading.subjects, query=_query(search=search, cursor=cursor))

    return pages(page)


def subject(name: str) -> Steps[SubjectDetail]:
    """A subject and its samples."""
    return ask(Call("GET", subject_path(name), reading.subject))


def rename(old: str, new: str) -> Steps[None]:
    """Another name for a subject."""
    return ask(Call("PATCH", subject_path(old), nothing, again=False, body={"name": new}))


def merge(source: str, target: str) -> Steps[int]:
    """Every sample of a subject to another one."""
    path = subject_path(source, "merge")
    return ask(Call("POST", path, lambda said: int(said["samples"]), again=False, body={"into": target}))


def split(subject: str, sample_ids: Sequence[str], new_name: str, *, consent: NewConsent | None = None) -> Steps[None]:
    """Samples of a subject to a new one."""
    body = {"samples": list(sample_ids), "name": new_name} | consent_form(consent)
    return ask(Call("POST", subject_path(subject, "split"), nothing, again=False, body=body))


def remove(name: str) -> Steps[int]:
    """Removes a subject."""
    return ask(Call("DELETE", subject_path(name), lambda said: int(said["samples"]), again=False))


def remove_sample(subject: str, sample_id: str) -> Steps[None]:
    """Erases a sample."""
    return ask(Call("DELETE", subject_path(subject, "samples", sample_id), nothing, again=False))


def erase(name: str, reason: str = "request") -> Steps[Erasure]:
    """Erases a subject everywhere, and certifies it."""
    path = subject_path(name, "erasure")
    return ask(Call("POST", path, reading.erased, again=False, body={"reason": reason}))


# --- upkeep ---------------------------------------------------------------------------------------------------


def operating_points() -> Steps[tuple[OperatingPoint, ...]]:
    """Which score is a match."""
    return ask(Call("GET", path_of("calibration"), reading.operating_points))


def audit(*, after: int = 0, actor: str | None = None, action: str | None = None) -> Rows[Entry]:
    """The audit log."""

    def page(cursor: str | None) -> Call[Page[Entry]]:
        query = _query(after=cursor or str(after), actor=actor, action=action)
        return Call("GET", path_of("audit"), reading.audit_page, query=query)

    return pages(page)


def verify_audit() -> Steps[Verdict]:
    """Whether the log is whole."""
    return ask(Call("GET", path_of("audit", "verification"), reading.audit_verdict))


def _query(**words: str | None) -> dict[str, str]:
    """What a page is asked for with: what is None is left out."""
    return {"limit": str(_PAGE)} | {name: value for name, value in words.items() if value is not None}
