"""One contract for the library, the client and the client for asyncio: a script cannot tell them apart."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import jobs
from app.access import Actor, Role
from app.api.state import State
from app.client import AsyncClient, Client, FaceService, FailedFile, Local, RunFace, local, verbs
from app.outcomes import Identification
from app.photos import Upload
from app.unknowns import assign_clusters
from pipeline.errors import (
    DuplicatePhotoError,
    LegalHoldError,
    LookalikeError,
    NoFaceError,
    NotAllowedError,
    PhotoFormatError,
    PhotoNotFoundError,
    RunNameError,
    RunNotFoundError,
    SeveralFacesError,
    SubjectExistsError,
    SubjectNameError,
    SubjectNotFoundError,
    UnknownClusterError,
)
from pipeline.gallery import NewConsent
from pipeline.gallery.audit import hash_of
from pipeline.images import one_line
from tests.api_server import key_for, made_state
from tests.fakes import BLUE, GREEN, MODEL_ID, RED, WHITE, YELLOW, bars, write_bars
from tests.loopback import Blocking, serving
from tests.made_runs import made_run

Open = Callable[[Role], FaceService]
WAYS = ("local", "client", "async")


@pytest.fixture
def state(tmp_path: Path) -> State:
    return made_state(tmp_path)


@pytest.fixture(params=WAYS)
def opened(request: pytest.FixtureRequest, state: State) -> Iterator[Open]:
    """Opens the service by one of the ways, for a role."""
    with ExitStack() as stack:
        if request.param == "local":
            stack.callback(state.close)
            yield lambda role: Local(state.services.acting_as(Actor("somebody", role)))
            return
        url = stack.enter_context(serving(state))
        kind: Any = Client if request.param == "client" else Blocking
        yield lambda role: stack.enter_context(kind(url, key=key_for(state, role, role.label)))


@pytest.fixture
def face(opened: Open) -> FaceService:
    return opened(Role.ADMIN)


def drawn(folder: Path, *colours: tuple[int, int, int], note: int = 0) -> Path:
    name = "-".join(bytes(one).hex() for one in colours) or "nobody"
    return write_bars(folder / "photos" / f"{name}-{note}.png", *colours, note=note)


def same(one: Identification, other: Identification) -> None:
    assert (one.photo, one.decisions, str(one.error)) == (other.photo, other.decisions, str(other.error))
    assert type(one.error) is type(other.error)
    if one.detections is not None and other.detections is not None:
        for part in ("confidences", "landmarks"):
            np.testing.assert_array_equal(getattr(one.detections, part), getattr(other.detections, part))
        np.testing.assert_allclose(one.detections.boxes, other.detections.boxes, atol=0.051)
        assert one.detections.image_hw == other.detections.image_hw


def test_photos_are_paths_bytes_or_pixels(face: FaceService, tmp_path: Path) -> None:
    ada, bob = drawn(tmp_path, RED), drawn(tmp_path, GREEN)
    (one,) = face.enrol("Ada", [ada])
    assert (one.subject, one.photo, one.already, one.error) == ("Ada", str(ada), False, None)
    (two,) = face.enrol("Bob", [bob.read_bytes()])
    (three,) = face.enrol("Cy", [bars(BLUE)])
    assert [two.photo, three.photo] == ["photo", "array"]
    rows = list(face.identify([bars(RED, WHITE), drawn(tmp_path, GREEN, note=1), Upload("c.png", ada.read_bytes())]))
    assert [[one.subject for one in row.decisions] for row in rows] == [["Ada", None], ["Bob"], ["Ada"]]
    assert [row.photo for row in rows] == ["array", str(drawn(tmp_path, GREEN, note=1)), "c.png"]
    first = rows[0].decisions[0]
    assert (first.kind, first.model_id, first.runner_up is not None) == ("match", MODEL_ID, True)
    assert rows[0].detections is not None
    assert rows[0].detections.image_hw == (60, 80)
    assert face.verify(ada, bars(RED)).kind == "match"
    assert face.verify(bars(RED, GREEN), bob, face_a=2).kind == "match"
    assert face.verify(ada, bob).kind == "non_match"
    with pytest.raises(ValueError, match="pixels"):
        face.verify(ada, np.zeros((4, 4), np.uint8))


def test_a_photo_that_may_be_the_wrong_one_is_enrolled_with_a_warning(face: FaceService, tmp_path: Path) -> None:
    (ada,) = face.enrol("Ada", [drawn(tmp_path, RED)])
    assert ada.warnings == ()
    (eve,) = face.enrol("Eve", [drawn(tmp_path, RED, note=1)])
    assert eve.sample_id
    (warning,) = eve.warnings
    assert (warning.kind, warning.subject, round(warning.score, 3)) == ("looks_like", "Ada", 1.0)
    (unlike,) = face.enrol("Ada", [drawn(tmp_path, BLUE)])[0].warnings
    assert (unlike.kind, unlike.subject, unlike.threshold) == ("unlike", "Ada", warning.threshold)
    (refused,) = face.enrol("Mallory", [drawn(tmp_path, RED, note=2)], refuse_lookalikes=True)
    assert isinstance(refused.error, LookalikeError)
    assert refused.error.message.startswith(str(drawn(tmp_path, RED, note=2)))
    assert [one.name for one in face.subjects()] == ["Ada", "Eve"]


def test_what_cannot_be_used_is_a_row_in_its_place(face: FaceService, tmp_path: Path) -> None:
    ada, two, gone = drawn(tmp_path, RED), drawn(tmp_path, RED, GREEN), tmp_path / "gone.jpg"
    rows = list(face.identify([gone, ada, b"no photo", bars(), ada, gone]))
    kinds = [PhotoNotFoundError, type(None), PhotoFormatError, NoFaceError, type(None), PhotoNotFoundError]
    assert [type(row.error) for row in rows] == kinds
    assert [row.error.message.partition(":")[0] for row in rows if row.error] == [
        str(gone),
        "photo",
        "array",
        str(gone),
    ]
    rows_of = face.enrol("Ada", [gone, two, ada, ada])
    assert [type(row.error) for row in rows_of] == [PhotoNotFoundError, SeveralFacesError, type(None), type(None)]
    assert [row.already for row in rows_of] == [False, False, False, True]
    assert rows_of[1].error is not None
    assert rows_of[1].error.message.startswith(f"{two}: shows 2 faces")
    (taken,) = face.enrol("Bob", [ada])
    assert isinstance(taken.error, DuplicatePhotoError)
    with pytest.raises(NoFaceError) as none:
        face.verify(ada, bars())
    assert none.value.message.startswith("array: no face")
    with pytest.raises(PhotoNotFoundError):
        face.verify(gone, ada)
    for name in ("", "a\0b", "x" * 201):
        with pytest.raises(SubjectNameError):
            face.enrol(name, [ada])
    assert list(face.identify([])) == []


def test_a_photo_may_be_called_anything(face: FaceService, tmp_path: Path) -> None:
    name = os.fsdecode(bytes(tmp_path) + b'/a\xff"\n\\;b\r.png')
    file = drawn(tmp_path, RED, GREEN).replace(name)
    (row,) = face.enrol("Ada", [file])
    assert (row.photo, type(row.error)) == (name, SeveralFacesError)
    assert str(row.error).startswith(one_line(name))
    (row,) = face.enrol("Ada", [file], face=1)
    assert row.sample_id
    (found,) = face.identify([file])
    assert (found.photo, [one.subject for one in found.decisions]) == (name, ["Ada", None])
    with pytest.raises(SeveralFacesError) as none:
        face.verify(file, file, face_b=3)
    assert none.value.message.startswith(one_line(name))


def test_subjects_come_page_by_page_and_change(
    face: FaceService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (verbs, local):
        monkeypatch.setattr(module, "_PAGE", 2)
    names = {"..": RED, "Bob": GREEN, "Cy": BLUE, "Dee": WHITE, "Zoë / %2F?": YELLOW}
    for name, colour in names.items():
        face.enrol(name, [drawn(tmp_path, colour)])
    assert [one.name for one in face.subjects()] == list(names)
    assert [one.name for one in face.subjects(search="E")] == ["Dee"]
    detail = face.subject("..")
    assert (detail.info, len(detail.samples)) == (next(iter(face.subjects())), 1)
    (sample,) = detail.samples
    assert (sample.image_hw, sample.landmarks.shape, sample.has_template) == ((60, 40), (5, 2), True)
    assert sample.created.tzinfo is not None
    face.rename("Bob", "Robert")
    with pytest.raises(SubjectExistsError):
        face.rename("Robert", "Cy")
    assert face.merge("Robert", "Cy") == 1
    one, other = face.subject("Cy").samples
    with pytest.raises(SubjectNotFoundError):
        face.split("Dee", [one.id], "Eve")
    face.split("Cy", [other.id], "Eve", consent=NewConsent("door", "contract"))
    assert [sample.id for sample in face.subject("Eve").samples] == [other.id]
    assert face.merge("Eve", "Cy") == 1
    one, _ = face.subject("Cy").samples
    with pytest.raises(SubjectNotFoundError):
        face.remove_sample("Dee", one.id)
    face.remove_sample("Cy", one.id)
    assert len(face.subject("Cy").samples) == 1
    assert face.remove("Cy") == 1
    for missing in (face.subject, face.remove, face.erase):
        with pytest.raises(SubjectNotFoundError, match="Cy"):
            missing("Cy")
    certificate = face.erase("..", "asked")
    assert (certificate.complete, certificate.samples, certificate.scan.traces) == (True, 1, ())
    assert certificate.entry[0] == [one.id for one in face.audit(action="erase_certificate")][-1]


def test_a_consent_goes_along(face: FaceService, state: State, tmp_path: Path) -> None:
    until = datetime(2030, 1, 2, tzinfo=UTC)
    given = NewConsent("door", "contract", until, "2026-01", "binder 7", "a guardian")
    face.enrol("Ada", [drawn(tmp_path, RED)], consent=given)
    (kept,) = state.services.gallery.consents("Ada")
    assert (kept.purpose, kept.basis, kept.expires, kept.text_version) == ("door", "contract", until, "2026-01")
    assert (kept.evidence, kept.given_by) == ("binder 7", "a guardian")


def test_what_a_subject_may_ask_for(face: FaceService, tmp_path: Path) -> None:
    face.enrol("Ada", [drawn(tmp_path, RED)])
    assert face.consents("Ada") == []
    until = datetime(2030, 1, 2, tzinfo=UTC)
    for _ in range(2):  # the very same is not recorded twice
        face.consent("Ada", NewConsent("door", expires=until, given_by="a guardian"))
    face.consent("Ada", NewConsent("photos"))
    one, other = face.consents("Ada")
    assert (one.purpose, one.expires, one.given_by, one.withdrawn) == ("door", until, "a guardian", None)
    assert (other.purpose, one.given.tzinfo is not None) == ("photos", True)
    assert face.withdraw("Ada", "door") == 1
    assert face.consents("Ada")[0].withdrawn is not None
    assert face.withdraw("Ada") == 1
    face.hold("Ada", "case 4711", until)
    with pytest.raises(LegalHoldError):
        face.remove("Ada")
    assert [face.release("Ada"), face.release("Ada")] == [True, False]
    held = face.export("Ada")
    assert (held["subject"], len(held["samples"]), len(held["consents"])) == ("Ada", 1, 2)
    with pytest.raises(SubjectNotFoundError):
        face.consents("Bob")


def test_a_role_that_is_too_weak_raises_the_same_error(opened: Open, tmp_path: Path) -> None:
    viewer = opened(Role.VIEWER)
    assert list(viewer.subjects()) == []
    with pytest.raises(NotAllowedError, match="operator"):
        viewer.enrol("Ada", [drawn(tmp_path, RED)])
    with pytest.raises(NotAllowedError, match="admin"):
        list(viewer.audit())


def test_runs_and_the_unknown_people_in_them(face: FaceService, state: State) -> None:
    home = state.services.settings.home
    sent = home.absolute() / "runs" / "summer" / "job" / "input"  # where photos that are sent lie meanwhile
    photos = {"/p/a.jpg": ["ada", "bob"], "/p/b.jpg": ["ada#2", "cy"], f"{sent}/00001 c.jpg": ["cy#2"]}
    broken = f"{sent}/00002 d.jpg"
    run = made_run(home, "summer", photos, failed={broken: ("photo_damaged", "is truncated")})
    run.decide(state.services)
    assign_clusters(run, state.services)
    (one,) = face.runs()
    assert (one.name, one.total, one.failed, one.faces, one.ended) == ("summer", 4, 1, 5, True)
    assert face.run("summer") == one
    assert list(face.follow("summer")) == [one]
    rows = list(face.results("summer"))
    faces = [row for row in rows if isinstance(row, RunFace)]
    assert [row.photo for row in rows] == ["/p/a.jpg"] * 2 + ["/p/b.jpg"] * 2 + ["00001 c.jpg", "00002 d.jpg"]
    assert rows[-1] == FailedFile("00002 d.jpg", "photo_damaged", "00002 d.jpg: is truncated")
    people = face.unknowns(everybody=True)
    assert sum(one.faces for one in people) == 5
    cluster = face.unknown(people[0].cluster)
    assert {one.run for one in cluster.faces} == {"summer"}
    of_all = {one.photo for some in people for one in face.unknown(some.cluster).faces}
    assert of_all == {"/p/a.jpg", "/p/b.jpg", "00001 c.jpg"}
    apart = face.split_unknown(cluster.cluster, [cluster.faces[0].face_id])
    assert face.merge_unknowns(cluster.cluster, apart) == cluster.cluster
    named = face.name_unknown(cluster.cluster, "Ada", samples=1)
    assert (named.subject, len(named.sample_ids), named.faces) == ("Ada", 1, len(cluster.faces))
    again = [row for row in face.results("summer") if isinstance(row, RunFace)]
    assert [row.face_id for row in again] == [row.face_id for row in faces]
    assert {row.decision.subject for row in again if row.decision} >= {"Ada"}
    assert {row.decision.model_id for row in again if row.decision} == {MODEL_ID}
    with pytest.raises(UnknownClusterError):
        face.unknown("U-9999")
    face.remove_run("summer")
    for missing in (face.run, face.stop_run, face.remove_run):
        with pytest.raises(RunNotFoundError):
            missing("summer")
    for missing_rows in (face.follow, face.results):
        with pytest.raises(RunNotFoundError):
            list(missing_rows("summer"))


def test_photos_are_brought_along_for_a_run(face: FaceService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def start(job: jobs.Job, *words: Any, **how: Any) -> None:
        started.append(({file.suffix: file.read_bytes() for file in job.input.iterdir()}, how["discard"]))

    monkeypatch.setattr(jobs.Job, "start", start)
    ada, data = drawn(tmp_path, RED), drawn(tmp_path, GREEN).read_bytes()
    assert face.start_run_of("summer", [ada, data]) == 2
    assert started == [({".png": ada.read_bytes(), ".jpg": data}, True)]
    with pytest.raises(RunNameError):
        face.start_run_of("summer", [ada])
    with pytest.raises(PhotoNotFoundError):
        face.start_run_of("winter", [tmp_path / "gone.jpg"])
    with pytest.raises(RunNameError):
        face.start_run_of("../x", [ada])


@pytest.mark.parametrize("way", WAYS[1:])
def test_a_server_says_what_the_library_says(way: str, state: State, tmp_path: Path) -> None:
    here = Local(state.services)
    kind: Any = Client if way == "client" else Blocking
    photos = [drawn(tmp_path, RED, GREEN), drawn(tmp_path, RED, note=2), drawn(tmp_path), bars(BLUE, RED), b"x"]
    here.enrol("Ada", [bars(RED)])
    here.enrol("Bob", [bars(GREEN)])
    with serving(state) as url, kind(url) as there:
        for one, other in zip(there.identify(photos), here.identify(photos), strict=True):
            same(one, other)
        assert there.verify(photos[1], photos[3]) == here.verify(photos[1], photos[3])
        assert list(there.subjects()) == list(here.subjects())
        mine, its = here.subject("Ada"), there.subject("Ada")
        np.testing.assert_array_equal(its.samples[0].landmarks, mine.samples[0].landmarks)
        plain = np.zeros((5, 2), np.float32)
        assert asdict(replace(its.samples[0], landmarks=plain)).keys() == asdict(mine.samples[0]).keys()
        for name in ("id", "source", "photo_sha256", "box", "confidence", "image_hw", "quality", "created"):
            assert getattr(its.samples[0], name) == getattr(mine.samples[0], name)
        assert there.operating_points() == here.operating_points()
        assert there.ready() == here.ready() == MODEL_ID
        assert there.status() == here.status()
        entries = list(there.audit())
        assert entries == list(here.audit())
        for entry in entries:  # what a server says can be held against the chain
            said = [entry.id, entry.at_us, entry.actor, entry.action, entry.target, entry.detail]
            assert hash_of(entry.previous_hash, said) == entry.entry_hash
        later = list(there.audit(after=entries[2].id, action="enrol"))
        assert later == [one for one in entries[3:] if one.action == "enrol"]
        assert later
        verdict = there.verify_audit()
        assert (verdict.entries, verdict.findings) == (len(entries), ())
        assert verdict == here.verify_audit()
        assert verdict.end is not None


def test_all_have_the_same_methods_that_take_the_same() -> None:
    def methods(kind: type) -> dict[str, list[tuple[str, Any, Any]]]:
        found = {name: one for name, one in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
        taken = {name: inspect.signature(one).parameters.values() for name, one in found.items()}
        return {name: [(one.name, one.kind, one.default) for one in some] for name, some in taken.items()}

    wanted = methods(FaceService)
    assert len(wanted) > 25
    for kind in (Local, Client, AsyncClient):
        assert methods(kind) == wanted
