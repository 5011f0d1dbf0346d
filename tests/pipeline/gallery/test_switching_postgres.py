"""The change of a model where the truth is on PostgreSQL, and pgvector searches it: a copy for each model."""

from __future__ import annotations

import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of, vector_of

from pipeline.errors import GalleryBusyError, ModelSwitchedError
from pipeline.gallery import Gallery, IndexPlace, InUse, Model

pytestmark = pytest.mark.slow
OLD, NEW = Model(MODEL, DIMENSION), Model("new.unit@11111111", 8)
PEOPLE = [f"p{number}" for number in range(40)]


@pytest.mark.parametrize("index", ["local", "pgvector"])
def test_a_change_and_back(database: str, index: str) -> None:
    with Gallery.open(database, MODEL, DIMENSION, index=IndexPlace(index)) as gallery:  # type: ignore[arg-type]
        gallery.enrol_many([(name, sample_of(name)) for name in PEOPLE])
        gallery.keep_model()
        before = [answer(gallery, name) for name in PEOPLE]
        work = gallery.switching()
        with work.alone():
            with Gallery.open(database, MODEL, DIMENSION) as other:
                assert other.switching().progress() is None
                with pytest.raises(GalleryBusyError), other.switching().alone():
                    pass
            while rows := work.waiting(NEW.model_id, limit=16, heads=True):
                work.add(NEW, [(row.key, 1.0, vector_of(row.subject, 8)) for row in rows], {"done": len(rows)})
            progress = work.progress()
            assert progress is not None
            assert progress["running"]
            assert [answer(gallery, name) for name in PEOPLE] == before
            assert work.commit(NEW, (), {}, {})
        assert gallery.in_use() == InUse(NEW, OLD)
        with gallery.of_model(NEW) as new:
            assert [answer(new, name)[0][0] for name in PEOPLE] == PEOPLE
        with pytest.raises(ModelSwitchedError):
            gallery.enrol("late", [sample_of("late")])
        assert work.commit(OLD, (), {}, {})
        assert [answer(gallery, name) for name in PEOPLE] == before
        assert work.forget() == len(PEOPLE)
        with gallery.of_model(NEW) as new:
            assert answer(new, "p1") == []
        assert gallery.check() == []


def answer(gallery: Gallery, name: str) -> list[tuple[str, float]]:
    (row,) = gallery.search(probe_of(name, model_id=gallery.model_id, dimension=gallery.dimension), k=3)
    return list(zip(row.subjects, row.scores.tolist(), strict=True))
