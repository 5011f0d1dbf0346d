"""A Services that runs for long follows its gallery to another model, and never compares across models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import app.services
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import ModelMissingError, ModelSwitchedError, PhotoError
from pipeline.gallery import Gallery, InUse, Model
from pipeline.recognizer import Recognizer
from pipeline.types import AlignedFaces, OperatingPoint, Templates
from tests import fakes

OLD, NEW = Model(fakes.MODEL_ID, fakes.DIMENSION), Model("other.unit@11111111", 16)


class OtherEmbedder:
    """Another template per colour."""

    model_id, dimension = NEW.model_id, NEW.dimension

    def embed(self, faces: AlignedFaces) -> Templates:
        rows = [fakes.vector_of(("other", *(int(v) for v in crop[56, 56])), 16) for crop in faces.crops]
        vectors = np.stack(rows) if rows else np.zeros((0, 16), np.float32)
        return Templates(vectors, np.full(len(rows), 5.0, np.float32), self.model_id)


def recognizer_of(settings: Settings, **_: object) -> Recognizer:
    if settings.embedder == NEW.embedder:
        return Recognizer(fakes.FakeDetector(), None, fakes.FakeAligner(), OtherEmbedder())
    return fakes.fake_recognizer()


def points_of(settings: Settings) -> tuple[OperatingPoint, ...]:
    return fakes.points(0.7, NEW.model_id) if settings.embedder == NEW.embedder else fakes.points()


def switch(gallery: Gallery, colours: dict[str, tuple[int, int, int]], model: Model = NEW) -> None:
    """What a job in another process does; a subject's photo is of its colour."""
    with Gallery.open(gallery.stats()["location"], OLD.model_id, OLD.dimension) as other:
        work = other.switching()
        rows = work.waiting(model.model_id, limit=99)
        made = [(row.key, 1.0, fakes.vector_of(("other", *colours[row.subject]), 16)) for row in rows]
        work.add(model, made, {})
        assert work.commit(model, (), {}, {})


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setattr(app.services, "build_recognizer", recognizer_of)
    monkeypatch.setattr(app.services, "operating_points", points_of)
    monkeypatch.setattr(app.services, "embedder_identity", lambda _: (OLD.model_id, OLD.dimension))
    made = Services(Settings(workers=1, gallery=str(tmp_path / "gallery"), embedder=OLD.embedder))
    made.enrol("Ada", [fakes.write_bars(tmp_path / "ada.png", fakes.RED)])
    yield made
    made.close()


def test_the_first_people_fix_the_model(services: Services, tmp_path: Path) -> None:
    assert services.gallery.in_use() == InUse(OLD)
    services.close()
    another = Services(services.settings.model_copy(update={"embedder": "third.unit"}))
    assert another.gallery.model_id == OLD.model_id
    assert another.in_force.embedder == OLD.embedder
    another.close()


def test_recognizer_gallery_and_points_change_together(services: Services, tmp_path: Path) -> None:
    photo = fakes.write_bars(tmp_path / "again.png", fakes.RED)
    seen = services.recognizer.analyse(services.open(photo))
    before = services.identify_point()
    assert services.identify_faces(seen, before).decisions[0].subject == "Ada"
    switch(services.gallery, {"Ada": fakes.RED})
    assert (
        services.gallery.model_id == services.recognizer.model_id == services.identify_point().model_id == NEW.model_id
    )
    for act in (
        lambda: services.identify_faces(seen, before),
        lambda: services.identify_faces(seen),
        lambda: services.enrol_faces("Bob", seen),
        lambda: services.verify_faces(seen, seen),
    ):
        with pytest.raises(ModelSwitchedError, match="look at it again"):
            act()
    again = services.recognizer.analyse(services.open(photo))
    with pytest.raises(ModelSwitchedError, match="look at it again"):
        services.identify_faces(again, before)
    decision = services.identify_faces(again).decisions[0]
    assert (decision.subject, decision.model_id) == ("Ada", NEW.model_id)
    assert services.verify(photo, photo).decision.model_id == NEW.model_id
    switch(services.gallery, {"Ada": fakes.RED}, OLD)
    assert services.identify_faces(seen, before).decisions[0].model_id == OLD.model_id


def test_a_switch_in_the_middle_of_a_batch(services: Services, tmp_path: Path) -> None:
    photos = [fakes.write_bars(tmp_path / f"{n}.png", fakes.RED, note=n + 1) for n in range(60)]
    photos[40] = tmp_path / "missing.png"
    answers = []
    for number, row in enumerate(services.identify(photos)):
        answers.append(row)
        if number == 2:
            switch(services.gallery, {"Ada": fakes.RED})
    assert [row.photo for row in answers] == [str(photo) for photo in photos]
    assert isinstance(answers.pop(40).error, PhotoError)
    models = [row.decisions[0].model_id for row in answers]
    assert models == [OLD.model_id] * 3 + [NEW.model_id] * 56
    assert {row.decisions[0].subject for row in answers} == {"Ada"}


def test_who_is_enrolled_across_a_switch_is_found(services: Services, tmp_path: Path) -> None:
    photos = [fakes.write_bars(tmp_path / f"{n}.png", (n + 9, 0, 90)) for n in range(20)]
    rows = services.enrol_many([(f"p{n}", photo) for n, photo in enumerate(photos)])
    first = next(rows)
    switch(services.gallery, {"Ada": fakes.RED, "p0": (9, 0, 90)})
    assert all(row.error is None for row in (first, *rows))
    assert services.gallery.check() == []
    assert [row.decisions[0].subject for row in services.identify(photos)] == [f"p{n}" for n in range(20)]


def test_another_file_under_the_models_name_is_not_used(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.gallery.put_document("anything", {})
    monkeypatch.setattr(OtherEmbedder, "model_id", "other.unit@22222222")
    switch(services.gallery, {"Ada": fakes.RED})
    with pytest.raises(ModelMissingError, match=r"under that name other\.unit@22222222 is installed"):
        _ = services.recognizer
    assert services.gallery.subjects()[0].name == "Ada", "who only lists people needs no model"


def test_a_threshold_is_of_the_model_it_is_used_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gallery goes over to the new model after that of the recognizer was read, and before its points are."""
    services = Services(Settings(home=tmp_path))
    old, new = fakes.fake_recognizer(), recognizer_of(services.settings.model_copy(update={"embedder": NEW.embedder}))
    now = [old]

    def calibration(_: Services) -> tuple[OperatingPoint, ...]:
        now[0] = new
        return fakes.points(model_id=NEW.model_id)

    monkeypatch.setattr(Services, "recognizer", property(lambda _: now[0]))
    monkeypatch.setattr(Services, "calibration", calibration)
    services.__dict__["points"] = ()
    assert services.verify_point().model_id == NEW.model_id
