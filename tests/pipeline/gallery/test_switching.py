"""The change of a gallery's model in the database: batches, the one step, going back, and who may be left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of, vector_of

from pipeline.errors import GalleryBusyError, GalleryDamagedError, ModelSwitchedError, SwitchRefusedError
from pipeline.gallery import Gallery, InUse, Model

OLD, NEW = Model(MODEL, DIMENSION), Model("new.unit@11111111+flip+zoom0.94_1.06", 8)
PEOPLE = [f"p{number}" for number in range(12)]


@pytest.fixture
def gallery(tmp_path: Path):
    with Gallery.open(tmp_path / "gallery", MODEL, DIMENSION) as made:
        made.enrol_many([(name, sample_of(name)) for name in PEOPLE])
        made.keep_model()
        yield made


def embed(gallery: Gallery, limit: int = 5, model: Model = NEW) -> int:
    """One batch of templates of the new model; how many were new."""
    work = gallery.switching()
    rows = [
        (sample.key, 2.0, vector_of(sample.source.split("/")[1][:-4], model.dimension))
        for sample in work.waiting(model.model_id, limit=limit)
    ]
    return work.add(model, rows, {"done": len(rows)})


def finish(gallery: Gallery, model: Model = NEW) -> None:
    while embed(gallery, model=model):
        pass


def found(gallery: Gallery, name: str) -> list[tuple[str, float]]:
    (row,) = gallery.search(probe_of(name, model_id=gallery.model_id, dimension=gallery.dimension), k=3)
    return list(zip(row.subjects, row.scores.tolist(), strict=True))


def test_what_a_model_id_says() -> None:
    assert (NEW.embedder, NEW.flip_fusion, NEW.crop_zooms) == ("new.unit", True, (0.94, 1.06))
    assert (OLD.embedder, OLD.flip_fusion, OLD.crop_zooms) == ("test.unit", False, ())
    ensemble = Model("a.x+flip+b.y@00112233", 4)
    assert (ensemble.embedder, ensemble.flip_fusion) == ("a.x+flip+b.y", False)


def test_the_step_is_one(gallery: Gallery) -> None:
    work, before = gallery.switching(), found(gallery, "p3")
    assert work.count(NEW.model_id) == (12, 12)
    assert embed(gallery) == 5
    assert work.count(NEW.model_id) == (12, 7)
    assert not work.commit(NEW, (), {}, {}), "seven are not there yet"
    assert gallery.in_use() == InUse(OLD)
    assert found(gallery, "p3") == before, "searched with the old one as if nothing were"
    finish(gallery)
    assert work.commit(NEW, (), {"operating_points": {"points": []}}, {"state": "done"})
    assert gallery.in_use() == InUse(NEW, previous=OLD)
    with gallery.of_model(NEW) as other:
        assert found(other, "p3")[0] == ("p3", 1.0)
        assert other.document("operating_points") == {"points": []}
        assert other.check() == []
    assert found(gallery, "p3") == before, "the old templates are still there"


def test_who_was_enrolled_meanwhile_is_waited_for(gallery: Gallery) -> None:
    finish(gallery)
    gallery.enrol("late", [sample_of("late")])
    assert not gallery.switching().commit(NEW, (), {}, {})
    assert [row.subject for row in gallery.switching().waiting(NEW.model_id, limit=9)] == ["late"]
    finish(gallery)
    gallery.enrol_many([(f"last{n}", sample_of(f"last{n}")) for n in range(3)])
    assert not gallery.switching().commit(NEW, (), {}, {}, lambda rows: [])
    seen = []

    def last(rows):
        seen.extend(row.subject for row in rows)
        return [(row.key, 1.0, vector_of(row.subject, 8)) for row in rows]

    assert gallery.switching().commit(NEW, (), {}, {}, last), "the few last ones are embedded within the step"
    assert seen == ["last0", "last1", "last2"]
    assert gallery.switching().count(NEW.model_id) == (16, 0)


def test_nobody_enrols_with_the_old_model_after_the_step(gallery: Gallery) -> None:
    finish(gallery)
    gallery.switching().commit(NEW, (), {}, {})
    with pytest.raises(ModelSwitchedError, match=r"searched with new\.unit@11111111"):
        gallery.enrol("late", [sample_of("late")])
    assert gallery.sample_count == len(PEOPLE), "nothing of it stays"


def test_back_is_byte_identical(gallery: Gallery) -> None:
    before = [found(gallery, name) for name in PEOPLE]
    finish(gallery)
    work = gallery.switching()
    work.commit(NEW, (), {}, {})
    assert work.commit(OLD, (), {}, {})
    assert gallery.in_use() == InUse(OLD, previous=NEW)
    assert [found(gallery, name) for name in PEOPLE] == before
    assert gallery.enrol("late", [sample_of("late")])


def test_who_is_left_behind_is_said_until_they_are_enrolled_again(gallery: Gallery) -> None:
    for _ in range(2):
        embed(gallery)
    work = gallery.switching()
    left = {row.key for row in work.waiting(NEW.model_id, limit=99)}
    assert len(left) == 2
    assert work.commit(NEW, left, {}, {})
    assert gallery.in_use() == InUse(NEW, previous=OLD, left_behind=OLD)
    assert work.subjects_left(NEW.model_id) == ["p10", "p11"]
    third = Model("third.unit@33333333", 4)
    with pytest.raises(SwitchRefusedError, match="'p10', 'p11': left behind by an earlier change"):
        work.commit(third, {row.key for row in work.waiting(third.model_id, limit=99)}, {}, {})
    finish(gallery)
    assert work.commit(NEW, (), {}, {})
    assert gallery.in_use() == InUse(NEW, previous=OLD)


def test_the_old_models_are_forgotten_only_when_told_to(gallery: Gallery) -> None:
    finish(gallery)
    gallery.put_document("operating_points", {"points": []})
    work = gallery.switching()
    work.commit(NEW, (), {}, {})
    assert work.models() == {MODEL: 12, NEW.model_id: 12}
    assert work.forget() == 12
    assert work.models() == {NEW.model_id: 12}
    assert work.documents_of(MODEL) == {}
    assert gallery.in_use() == InUse(NEW)
    assert work.forget() == 0


def test_progress_is_read_from_outside(gallery: Gallery, tmp_path: Path) -> None:
    assert gallery.switching().progress() is None
    with Gallery.open(tmp_path / "gallery", MODEL, DIMENSION) as other, gallery.switching().alone():
        embed(gallery)
        told = other.switching().progress()
        assert told is not None
        assert (told["done"], told["running"]) == (5, True)
        with pytest.raises(GalleryBusyError, match="another process is changing the model"), other.switching().alone():
            pass
    assert gallery.switching().progress()["running"] is False


def test_a_sample_that_went_meanwhile_is_left_out(gallery: Gallery) -> None:
    rows = gallery.switching().waiting(NEW.model_id, limit=2)
    gallery.remove(rows[0].subject)
    made = [(row.key, 1.0, vector_of(row.subject, 8)) for row in rows]
    assert gallery.switching().add(NEW, made, {}) == 1
    assert gallery.switching().add(NEW, made, {}) == 0, "and what is there already"
    assert gallery.check() == []


def test_a_damaged_note_is_an_error_and_not_another_model(gallery: Gallery) -> None:
    with gallery._truth.writing() as connection:
        from pipeline.gallery import documents

        documents.write(connection, "model", "", '{"model":{"model_id":"","dimension":3}}')
    with pytest.raises(GalleryDamagedError, match="which model it is searched with"):
        gallery.in_use()


def test_heads_say_how_large_a_crop_is(gallery: Gallery) -> None:
    gallery.enrol("cut", [sample_of("cut", crop=b"\x89PNG" + bytes(40))])
    crops = {row.subject: row.crop for row in gallery.switching().waiting(NEW.model_id, limit=99, heads=True)}
    assert crops.pop("cut") == b"\x89PNG" + bytes(20)
    assert set(crops.values()) == {None}
    assert np.allclose(gallery.switching().waiting(NEW.model_id, limit=1)[0].landmarks.ravel(), np.arange(10))


def test_what_an_earlier_version_has_noted_of_somebody_goes_when_they_are_erased(gallery: Gallery) -> None:
    work = gallery.switching()
    work.note({"state": "refused", "message": "2 samples of 2 people (p1, Xanthippe) cannot be embedded"})
    gallery.enrol("Xanthippe", [sample_of("x")])
    gallery.erase("p2")
    assert "Xanthippe" in (work.progress() or {})["message"]
    gallery.erase("Xanthippe")
    assert (work.progress() or {})["message"] == ""
    assert (work.progress() or {})["state"] == "refused"
