"""People who were left behind by a change of the model are still named, and scores of two models are never ranked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_in_use import NEW, OLD, OtherEmbedder, points_of, recognizer_of

import app.left_behind
import app.services
from app.calibration import of_gallery
from app.left_behind import combined
from app.services import Services
from pipeline.build import build_embedding, build_with_second
from pipeline.config import Settings
from pipeline.errors import CalibrationError, ModelMismatchError
from pipeline.gallery import Gallery
from pipeline.recognizer import Recognizer
from pipeline.types import AlignedFaces, Decision, Templates
from tests import fakes

COLOURS = {"Ada": fakes.RED, "Bob": fakes.GREEN, "Cleo": fakes.BLUE}


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Ada and Bob went over to the new model, Cleo was left behind."""
    both = Recognizer(fakes.FakeDetector(), None, fakes.FakeAligner(), OtherEmbedder()), fakes.FakeEmbedder()
    monkeypatch.setattr(app.services, "build_recognizer", recognizer_of)
    monkeypatch.setattr(app.services, "operating_points", points_of)
    monkeypatch.setattr(app.services, "embedder_identity", lambda _: (OLD.model_id, OLD.dimension))
    monkeypatch.setattr(app.left_behind, "build_with_second", lambda *_: both)
    monkeypatch.setattr(app.left_behind, "operating_points", points_of)
    made = Services(Settings(workers=1, gallery=str(tmp_path / "gallery"), embedder=OLD.embedder))
    for name, colour in COLOURS.items():
        made.enrol(name, [fakes.write_bars(tmp_path / f"{name}.png", colour)])
    with Gallery.open(tmp_path / "gallery", OLD.model_id, OLD.dimension) as other:
        work = other.switching()
        rows = work.waiting(NEW.model_id, limit=9)
        vectors = {row.key: fakes.vector_of(("other", *COLOURS[row.subject]), 16) for row in rows}
        work.add(NEW, [(row.key, 1.0, vectors[row.key]) for row in rows if row.subject != "Cleo"], {})
        assert work.commit(NEW, {row.key for row in rows if row.subject == "Cleo"}, {}, {})
    yield made
    made.close()


def decisions(services: Services, file: Path, *colours: tuple[int, int, int]) -> list[Decision]:
    (row,) = services.identify([fakes.write_bars(file, *colours)])
    return list(row.decisions)


def test_they_are_named_by_the_old_model(services: Services, tmp_path: Path) -> None:
    found = decisions(services, tmp_path / "party.png", fakes.BLUE, fakes.RED, fakes.YELLOW)
    assert [(d.kind, d.subject, d.model_id) for d in found] == [
        ("match", "Cleo", OLD.model_id),
        ("match", "Ada", NEW.model_id),
        ("unknown", None, NEW.model_id),
    ]
    assert "the gallery's model of before" in found[0].reason
    assert found[2].best is not None
    assert found[2].best[0] in ("Ada", "Bob"), "the runner-up of an unknown face is of one model, too"


def test_where_everybody_was_left_behind_nobody_is_said_to_be_lost(services: Services, tmp_path: Path) -> None:
    assert "left behind" not in services.stages_note()
    services.remove("Ada")
    services.remove("Bob")
    said = services.stages_note()
    assert said.startswith(f"everybody here (1) was left behind by the change to {NEW.model_id}, and is searched with ")
    assert OLD.model_id in said
    found = decisions(services, tmp_path / "two.png", fakes.BLUE, fakes.YELLOW)
    assert [(d.kind, d.subject, d.model_id) for d in found] == [
        ("match", "Cleo", OLD.model_id),
        ("unknown", None, OLD.model_id),
    ]
    assert "the gallery's model of before" in found[1].reason
    with pytest.raises(CalibrationError, match=f"none of the 1 enrolled here has a template of {NEW.model_id}"):
        of_gallery(services.gallery)


def test_once_enrolled_again_they_are_searched_by_the_new_one(services: Services, tmp_path: Path) -> None:
    assert decisions(services, tmp_path / "a.png", fakes.BLUE)[0].model_id == OLD.model_id
    services.enrol("Cleo", [fakes.write_bars(tmp_path / "again.png", fakes.BLUE, note=1)])
    (found,) = decisions(services, tmp_path / "a.png", fakes.BLUE)
    assert (found.kind, found.subject, found.model_id) == ("match", "Cleo", NEW.model_id)
    people = services.gallery.left_behind(OLD)
    assert len(people.search(probe(fakes.BLUE), 3)[0]) == 0
    services.rename("Bob", "Robert")
    services.remove("Ada")
    assert len(people.search(probe(fakes.RED), 3)[0]) == 0, "nobody else comes in"


def probe(colour: tuple[int, int, int]) -> Templates:
    return Templates(fakes.vector_of(colour)[None], np.ones(1, np.float32), OLD.model_id)


def test_the_search_among_them_follows_the_gallery(services: Services) -> None:
    people = services.gallery.left_behind(OLD)
    assert people.search(probe(fakes.BLUE), 3)[0].subjects == ("Cleo",)
    services.rename("Cleo", "Cleopatra")
    assert people.search(probe(fakes.BLUE), 3)[0].subjects == ("Cleopatra",)
    services.remove("Cleopatra")
    assert people.search(probe(fakes.BLUE), 3)[0].subjects == ()
    with pytest.raises(ModelMismatchError, match="not the model of those left behind"):
        people.search(Templates(np.eye(16, dtype=np.float32)[:1], np.ones(1, np.float32), NEW.model_id), 1)


def said(kind: str, name: str, score: float, model_id: str) -> Decision:
    subject = name if kind == "match" else None
    return Decision(kind, score, 0.5, "A reason.", model_id, subject, best=(name, score))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("new", "old", "kind", "subject"),
    [
        ("match", "unknown", "match", "N"),
        ("unknown", "match", "match", "O"),
        ("poor_image", "match", "match", "O"),
        ("unknown", "ambiguous", "ambiguous", None),
        ("unknown", "unknown", "unknown", None),
        ("match", "match", "ambiguous", None),
        ("match", "ambiguous", "ambiguous", None),
        ("ambiguous", "match", "ambiguous", None),
        ("ambiguous", "poor_image", "ambiguous", None),
    ],
)
def test_two_decisions_become_one(new: str, old: str, kind: str, subject: str | None) -> None:
    one, other = said(new, "N", 0.6, NEW.model_id), said(old, "O", 0.9, OLD.model_id)
    both = combined(one, other)
    assert (both.kind, both.subject) == (kind, subject)
    shown = other if subject == "O" or (new in ("unknown", "poor_image") and old == "ambiguous") else one
    assert (both.score, both.model_id, both.best) == (shown.score, shown.model_id, shown.best), "of one model, whole"
    if new in ("match", "ambiguous") and old in ("match", "ambiguous"):
        assert "N (0.600)" in both.reason
        assert "O (0.900)" in both.reason
    assert combined(one, replace(other, kind="unknown", subject=None)) == one


def test_one_set_of_crops_serves_both_models(models_home: Path, sample_photos: Path) -> None:
    from app.photos import open_source, photos_in

    settings = Settings(workers=1)
    other = settings.model_copy(update={"crop_zooms": (0.94,)})
    recognizer, second = build_with_second(settings, other)
    photo = open_source(photos_in(sample_photos)[0], max_bytes=1 << 26, max_pixels=10**8)
    faces = recognizer.analyse(photo)
    for given, embedder in ((settings, recognizer.embed_aligned), (other, second.embed)):
        aligner, alone = build_embedding(given)
        assert second.model_id.endswith("+zoom0.94")
        np.testing.assert_array_equal(
            embedder(faces.aligned).vectors, alone.embed(aligner.align(photo, faces.detections)).vectors
        )
    assert isinstance(faces.aligned, AlignedFaces)
