"""app.services with fakes: enrol, verify and identify from files and uploads, failures as rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.photos import Upload, photos_in
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import (
    DuplicatePhotoError,
    NoFaceError,
    NoOperatingPointError,
    PhotoFormatError,
    PhotoNotFoundError,
    PhotoTooLargeError,
    PhotoUnreadableError,
    SeveralFacesError,
    SubjectNameError,
)
from pipeline.gallery import Gallery
from tests.fakes import (
    BLUE,
    DIMENSION,
    GREEN,
    MODEL_ID,
    RED,
    THRESHOLD,
    WHITE,
    YELLOW,
    fake_recognizer,
    points,
    write_bars,
)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(Settings(workers=2, max_bytes=100_000, embedder=MODEL_ID.partition("@")[0]))
    made._recognizer = fake_recognizer()
    made._gallery = Gallery.open(tmp_path / "gallery", MODEL_ID, DIMENSION)
    made.__dict__["points"] = points()
    yield made
    made.close()


def names(services: Services) -> dict[str, int]:
    return {info.name: info.samples for info in services.gallery.subjects()}


def test_enrol_then_identify(services: Services, tmp_path: Path) -> None:
    ada, bob = write_bars(tmp_path / "ada.png", RED), write_bars(tmp_path / "bob.png", GREEN)
    rows = services.enrol("Ada", [ada]) + services.enrol("Bob", [str(bob)])
    assert [(row.subject, row.photo, row.error) for row in rows] == [("Ada", str(ada), None), ("Bob", str(bob), None)]
    assert all(row.sample_id for row in rows)
    party = write_bars(tmp_path / "party.png", GREEN, BLUE, RED)
    nobody = write_bars(tmp_path / "nobody.png")
    found = list(services.identify([party, nobody, tmp_path / "missing.png"]))
    assert [d.subject for d in found[0].decisions] == ["Bob", None, "Ada"]
    assert [d.kind for d in found[0].decisions] == ["match", "unknown", "match"]
    assert found[0].decisions[0].score == pytest.approx(1, abs=1e-5)
    assert found[0].decisions[0].threshold == THRESHOLD
    assert found[0].faces is not None
    assert len(found[0].faces) == 3
    assert isinstance(found[1].error, NoFaceError)
    assert isinstance(found[2].error, PhotoNotFoundError)
    assert [row.photo for row in found] == [str(party), str(nobody), str(tmp_path / "missing.png")]


def test_an_empty_gallery_knows_nobody(services: Services, tmp_path: Path) -> None:
    (row,) = services.identify([write_bars(tmp_path / "a.png", RED)])
    assert row.decisions[0].kind == "unknown"


def test_a_sample_keeps_what_is_needed_of_its_photo(services: Services, tmp_path: Path) -> None:
    photo = write_bars(tmp_path / "ada.png", RED)
    services.enrol("Ada", [photo])
    (sample,) = services.gallery.subject("Ada").samples
    assert (sample.source, sample.image_hw, sample.box) == (str(photo), (60, 40), (0, 0, 40, 60))
    assert sample.photo_sha256 == services.open(photo).sha256
    assert sample.confidence == pytest.approx(0.95)


def test_photos_that_fail_are_rows_and_the_others_are_enrolled(services: Services, tmp_path: Path) -> None:
    good, two = write_bars(tmp_path / "good.png", RED), write_bars(tmp_path / "two.png", RED, GREEN)
    none, text = write_bars(tmp_path / "none.png"), tmp_path / "text.png"
    text.write_text("not a photo", encoding="utf-8")
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG" + bytes(200_000))
    again = write_bars(tmp_path / "again.png", RED, note=3)
    rows = services.enrol("Ada", [good, two, none, text, large, tmp_path / "absent.png", again])
    failed = [SeveralFacesError, NoFaceError, PhotoFormatError, PhotoTooLargeError, PhotoNotFoundError]
    assert [type(row.error) for row in rows] == [type(None), *failed, type(None)]
    assert names(services) == {"Ada": 2}
    assert [row.sample_id is None for row in rows] == [row.error is not None for row in rows]


def test_of_several_faces_one_can_be_named(services: Services, tmp_path: Path) -> None:
    two = write_bars(tmp_path / "two.png", RED, GREEN)
    (refused,) = services.enrol("Bob", [two])
    assert refused.error is not None
    assert "--face" in refused.error.message
    assert "2: 40x60 pixels at (40, 0)" in refused.error.message
    (row,) = services.enrol("Bob", [two], face=2)
    assert row.error is None
    (found,) = services.identify([write_bars(tmp_path / "bob.png", GREEN)])
    assert found.decisions[0].subject == "Bob"
    (beyond,) = services.enrol("Bob", [two], face=3)
    assert isinstance(beyond.error, SeveralFacesError)


def test_the_same_photo_twice_changes_nothing(services: Services, tmp_path: Path) -> None:
    photo = write_bars(tmp_path / "ada.png", RED)
    (first,) = services.enrol("Ada", [photo])
    (second,) = services.enrol("Ada", [photo])
    assert second.already
    assert second.sample_id == first.sample_id
    assert not first.already
    (other,) = services.enrol("Bob", [photo])
    assert isinstance(other.error, DuplicatePhotoError)
    assert names(services) == {"Ada": 1}


def test_enrolment_of_many_is_durable_one_by_one(services: Services, tmp_path: Path) -> None:
    items = [(f"P{i}", write_bars(tmp_path / f"{i}.png", (30 * i + 20, 9, 90))) for i in range(6)]
    for count, row in enumerate(services.enrol_many(iter(items)), 1):
        assert row.error is None
        assert names(services)[row.subject] == 1
        assert len(names(services)) >= count


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00b", "\u200b", "x" * 201])
def test_a_name_that_cannot_be_is_refused(services: Services, tmp_path: Path, name: str) -> None:
    photo = write_bars(tmp_path / "ada.png", RED)
    with pytest.raises(SubjectNameError):
        services.enrol(name, [photo])
    assert names(services) == {}


def test_among_many_a_name_that_cannot_be_is_a_row(services: Services, tmp_path: Path) -> None:
    photo = write_bars(tmp_path / "ada.png", RED)
    rows = {row.subject: row for row in services.enrol_many([("b\x1b[31m", photo), ("Ada", photo)])}
    assert isinstance(rows["b\x1b[31m"].error, SubjectNameError)
    assert rows["Ada"].error is None
    assert names(services) == {"Ada": 1}


def test_a_folder_that_cannot_be_listed_is_a_row(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bars(tmp_path / "ada.png", RED)
    closed = tmp_path / "closed"
    closed.mkdir()
    scandir, access = os.scandir, os.access

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
    rows = {Path(row.photo).name: row for row in services.identify(photos_in(tmp_path))}
    assert set(rows) == {"ada.png", "closed"}
    assert isinstance(rows["closed"].error, PhotoUnreadableError)
    assert "cannot be listed" in str(rows["closed"].error)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "Ren\u00e9e 🦊", "'; DROP TABLE subjects;--", "名前", "[red]x[/]", "a/b\\c"]
)
def test_any_printable_name_is_kept_as_it_is(services: Services, tmp_path: Path, name: str) -> None:
    services.enrol(name, [write_bars(tmp_path / "a.png", RED)])
    (found,) = services.identify([write_bars(tmp_path / "b.png", RED, note=1)])
    assert found.decisions[0].subject == name
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png", "gallery"}


def test_names_that_are_written_alike_are_one_subject(services: Services, tmp_path: Path) -> None:
    services.enrol("Zoe\u0308 ", [write_bars(tmp_path / "a.png", RED)])
    (again,) = services.enrol("Zoë", [tmp_path / "a.png"])
    assert again.already
    assert names(services) == {"Zoë": 1}


def test_verify(services: Services, tmp_path: Path) -> None:
    one, same = write_bars(tmp_path / "a.png", RED), write_bars(tmp_path / "b.png", RED, BLUE)
    other, nobody = write_bars(tmp_path / "c.png", YELLOW), write_bars(tmp_path / "d.png")
    match = services.verify(one, same)
    assert match.decision.kind == "match"
    assert (match.faces_in_a, match.faces_in_b) == (1, 2)
    assert (len(match.a), len(match.b)) == (1, 1)
    assert match.decision.score == pytest.approx(1, abs=1e-5)
    assert services.verify(one, other).decision.kind == "non_match"
    assert services.verify(one, same, face_b=2).decision.kind == "non_match"
    assert services.verify(one, one).decision.kind == "match", "a photo with itself"
    with pytest.raises(NoFaceError, match=r"d\.png"):
        services.verify(one, nobody)
    with pytest.raises(SeveralFacesError, match="no face 3"):
        services.verify(one, same, face_b=3)
    with pytest.raises(PhotoNotFoundError):
        services.verify(tmp_path / "zzz.png", one)


def test_uploads_are_called_by_their_name(services: Services, tmp_path: Path) -> None:
    data = write_bars(tmp_path / "a.png", WHITE).read_bytes()
    (row,) = services.enrol("Ada", [Upload("camera shot", data)])
    assert (row.photo, row.error) == ("camera shot", None)
    (found,) = services.identify([Upload("other", data)])
    assert (found.photo, found.decisions[0].subject) == ("other", "Ada")
    (broken,) = services.identify([Upload("bad\nname", b"junk")])
    assert isinstance(broken.error, PhotoFormatError)
    assert "\n" not in broken.error.message


def test_without_an_operating_point_nothing_is_decided(services: Services, tmp_path: Path) -> None:
    services.__dict__["points"] = points(model_id="another.model@1")
    photo = write_bars(tmp_path / "a.png", RED)
    with pytest.raises(NoOperatingPointError):
        services.verify(photo, photo)
    with pytest.raises(NoOperatingPointError):
        next(iter(services.identify([photo])))


def test_crops_are_kept_only_on_request(tmp_path: Path) -> None:
    photo = write_bars(tmp_path / "a.png", RED)
    for keep in (False, True):
        services = Services(Settings(workers=1, keep_crops=keep))
        services._recognizer = fake_recognizer()
        services._gallery = Gallery.open(tmp_path / f"g{keep}", MODEL_ID, DIMENSION)
        services.enrol("Ada", [photo])
        services.close()
        stored = b"".join(file.read_bytes() for file in (tmp_path / f"g{keep}").glob("*.db*"))
        assert (b"\x89PNG" in stored) is keep


def test_a_closed_gallery_opens_again(services: Services, tmp_path: Path) -> None:
    services.enrol("Ada", [write_bars(tmp_path / "a.png", RED)])
    services.close()
    services.close()
    services._gallery = Gallery.open(tmp_path / "gallery", MODEL_ID, DIMENSION)
    assert names(services) == {"Ada": 1}


def test_another_detector_or_refiner_than_people_were_enrolled_with_is_said(services: Services, tmp_path: Path) -> None:
    assert services.stages_note() == ""
    services.enrol("Ada", [write_bars(tmp_path / "ada.png", RED)])
    services.enrol("Bob", [write_bars(tmp_path / "bob.png", BLUE)])
    assert services.stages_note() == ""
    before = services.settings
    services.settings = before.model_copy(update={"refiner": "none"})
    assert "another refiner onet.mtcnn, now none: " in services.stages_note()
    services.enrol("Cleo", [write_bars(tmp_path / "cleo.png", GREEN)])
    services.settings = services.settings.model_copy(update={"detector": "scrfd.buffalo_l"})
    said = services.stages_note()
    assert "another detector yunet.2023mar, now scrfd.buffalo_l and refiner onet.mtcnn, now none: " in said
    services.settings = before
    assert services.stages_note() == ""


def test_a_threshold_for_another_kind_of_score_is_told(services: Services) -> None:
    assert services.score_note() == ""
    services.settings = services.settings.model_copy(update={"subject_score": "fused"})
    assert "measured with subject_score = 'best', now 'fused'" in services.score_note()


def test_a_gallery_from_before_says_nothing_of_its_stages(services: Services, tmp_path: Path) -> None:
    services.enrol("Ada", [write_bars(tmp_path / "ada.png", RED)])
    assert services.gallery.drop_document("stages")
    services.enrol("Bob", [write_bars(tmp_path / "bob.png", BLUE)])
    services.settings = services.settings.model_copy(update={"refiner": "none"})
    assert services.stages_note() == ""
