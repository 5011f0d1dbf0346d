from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, best, probe_of, sample_of, vector_of

from pipeline.errors import (
    DuplicatePhotoError,
    ModelMismatchError,
    SubjectExistsError,
    SubjectNameError,
    SubjectNotFoundError,
)
from pipeline.gallery.gallery import Gallery


@pytest.fixture
def gallery(location):
    with Gallery.open(location, MODEL, DIMENSION) as opened:
        yield opened


def names(gallery):
    return [info.name for info in gallery.subjects()]


def test_enrolled_people_are_found_also_after_reopening(location):
    with Gallery.open(location, MODEL, DIMENSION) as gallery:
        uids = gallery.enrol("Ada", [sample_of("ada1"), sample_of("ada2")]) + gallery.enrol("Bob", [sample_of("bob1")])
        assert len(set(uids)) == 3
        assert best(gallery, "ada1", "bob1", "ada2") == ["Ada", "Bob", "Ada"]
        assert (len(gallery), gallery.sample_count) == (2, 3)
    with Gallery.open(location, MODEL, DIMENSION, create=False) as gallery:
        found = gallery.search(probe_of("ada2"), k=5)[0]
        assert found.subjects[0] == "Ada"
        assert found.subjects == ("Ada", "Bob")
        assert found.scores[0] == pytest.approx(1)
        assert gallery.check() == []


def test_an_empty_gallery_answers(gallery):
    assert gallery.search(probe_of("x"))[0].subjects == ()
    assert gallery.subjects() == []
    assert (len(gallery), gallery.generation) == (0, 0)
    assert gallery.enrol("Nobody", []) == []
    assert len(gallery) == 0


def test_a_subject_tells_everything_about_its_samples(gallery):
    before = datetime.now(UTC)
    [uid] = gallery.enrol("Ada", [sample_of("ada", quality=0.5, crop=b"png")])
    detail = gallery.subject("Ada")
    [sample] = detail.samples
    assert (detail.info.name, detail.info.samples) == ("Ada", 1)
    assert (sample.id, sample.source, sample.photo_sha256) == (uid, "photos/ada.jpg", sample_of("ada").photo_sha256)
    assert (sample.box, sample.image_hw, sample.confidence) == ((10.0, 20.0, 110.0, 150.0), (480, 640), 0.9)
    assert sample.landmarks.tolist() == sample_of("ada").landmarks.tolist()
    assert sample.landmarks.dtype == np.float32
    assert sample.quality == 0.5
    assert sample.has_template
    assert (sample.created - before).total_seconds() > -1
    assert sample.created.tzinfo is UTC


def test_search_wants_templates_of_its_model(gallery):
    with pytest.raises(ModelMismatchError):
        gallery.search(probe_of("x", model_id="other.model@11111111"))
    with pytest.raises(ModelMismatchError):
        gallery.search(probe_of("x", dimension=16))


def test_the_same_photo_is_recognised(gallery):
    [uid] = gallery.enrol("Ada", [sample_of("ada")])
    with pytest.raises(DuplicatePhotoError, match=f"'Ada'.*{uid}.*photos/ada.jpg"):
        gallery.enrol("Ada", [sample_of("ada", source="copy.jpg")])
    with pytest.raises(DuplicatePhotoError, match="cannot be 'Bob' too"):
        gallery.enrol("Bob", [sample_of("bob"), sample_of("ada")])
    assert names(gallery) == ["Ada"]  # none of Bob's
    with pytest.raises(DuplicatePhotoError):
        gallery.enrol("Cy", [sample_of("cy"), sample_of("cy")])
    gallery.enrol("Bob", [sample_of("ada", box=(300.0, 20.0, 400.0, 150.0))])  # another face of the same photo
    assert names(gallery) == ["Ada", "Bob"]


def test_another_model_adds_a_template_to_the_same_sample(location):
    with Gallery.open(location, MODEL, DIMENSION) as first, Gallery.open(location, "new@2", 8) as second:
        [uid] = first.enrol("Ada", [sample_of("ada")])
        assert second.search(probe_of("ada", model_id="new@2", dimension=8))[0].subjects == ()
        assert not second.subject("Ada").samples[0].has_template
        assert second.enrol("Ada", [sample_of("ada", dimension=8)]) == [uid]
        assert second.subject("Ada").samples[0].has_template
        assert second.search(probe_of("ada", model_id="new@2", dimension=8))[0].subjects == ("Ada",)
        assert best(first, "ada") == ["Ada"]
        assert first.sample_count == 1
        assert first.check() == second.check() == [], "each sample has a template of either model"
        first.enrol("Bob", [sample_of("bob")])
        assert first.check() == []
        assert [(p.kind, p.repaired) for p in second.check()] == [("sample_without_template", False)]


def test_a_gallery_that_another_model_made_says_which(location):
    with Gallery.open(location, MODEL, DIMENSION) as first, Gallery.open(location, "new@2", 8) as second:
        assert (first.models_instead(), second.models_instead()) == ([], []), "nobody is enrolled"
        first.enrol("Ada", [sample_of("ada")])
        first.enrol("Bob", [sample_of("bob")])
        assert (first.models_instead(), second.models_instead()) == ([], [MODEL])
        second.enrol("Ada", [sample_of("ada", dimension=8)])
        assert second.models_instead() == [], "somebody is found again"


@pytest.mark.parametrize(
    "changes",
    [
        {"vector": vector_of("x", 16)},
        {"vector": vector_of("x").astype(np.float64)},
        {"vector": vector_of("x") * 2},
        {"vector": np.full(DIMENSION, np.nan, np.float32)},
        {"landmarks": np.zeros((4, 2), np.float32)},
    ],
)
def test_bad_samples_are_refused(gallery, changes):
    with pytest.raises(ValueError, match="sample must"):
        gallery.enrol("Ada", [sample_of("ok"), sample_of("x", **changes)])
    assert len(gallery) == 0


def test_removed_people_are_gone(gallery):
    gallery.enrol("Ada", [sample_of("ada1"), sample_of("ada2")])
    gallery.enrol("Bob", [sample_of("bob")])
    assert best(gallery, "ada1") == ["Ada"]
    assert gallery.remove("Ada") == 2
    assert best(gallery, "ada1") == ["Bob"]
    with pytest.raises(SubjectNotFoundError):
        gallery.subject("Ada")
    gallery.enrol("Ada", [sample_of("ada1")])  # and may come back
    assert best(gallery, "ada1") == ["Ada"]


def test_rename(gallery):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.enrol("Bob", [sample_of("bob")])
    assert best(gallery, "ada") == ["Ada"]
    gallery.rename("Ada", "Ada Lovelace")
    assert best(gallery, "ada") == ["Ada Lovelace"]
    assert names(gallery) == ["Ada Lovelace", "Bob"]
    with pytest.raises(SubjectExistsError, match="gallery merge"):
        gallery.rename("Bob", "Ada Lovelace")
    with pytest.raises(SubjectNotFoundError):
        gallery.rename("Ada", "Eve")
    gallery.rename("Bob", "Bob")
    gallery.rename("Bob", "bob")
    assert best(gallery, "bob") == ["bob"]


def test_merge_and_split(gallery):
    first = gallery.enrol("Ada", [sample_of("ada1"), sample_of("ada2")])
    gallery.enrol("A. L.", [sample_of("ada3")])
    assert best(gallery, "ada3") == ["A. L."]
    assert gallery.merge("A. L.", "Ada") == 1
    assert best(gallery, "ada3", "ada1") == ["Ada", "Ada"]
    assert names(gallery) == ["Ada"]
    gallery.split(first[:1], "Eve")
    assert best(gallery, "ada1", "ada2") == ["Eve", "Ada"]
    with pytest.raises(SubjectExistsError):
        gallery.split(first[1:], "Eve")
    with pytest.raises(SubjectNotFoundError):
        gallery.split(["nonsense"], "New")
    with pytest.raises(SubjectExistsError):
        gallery.merge("Ada", "Ada")
    with pytest.raises(SubjectNotFoundError):
        gallery.merge("Ada", "Nobody")
    gallery.split(first[:1], "Eve II")  # all of Eve's: she goes
    assert names(gallery) == ["Ada", "Eve II"]
    assert gallery.check() == []


def test_remove_sample(gallery):
    first, second = gallery.enrol("Ada", [sample_of("ada1"), sample_of("ada2")])
    gallery.search(probe_of("ada1"))
    gallery.remove_sample(first)
    assert gallery.search(probe_of("ada1"))[0].scores[0] < 0.9
    assert [sample.id for sample in gallery.subject("Ada").samples] == [second]
    gallery.remove_sample(second)
    assert len(gallery) == 0
    with pytest.raises(SubjectNotFoundError):
        gallery.remove_sample(second)


def test_list_pages_and_searches(gallery):
    for name in ("Zoë", "adam", "Ada", "ÉMILE", "100%", "under_score"):
        gallery.enrol(name, [sample_of(name)])
    assert names(gallery) == ["100%", "Ada", "adam", "under_score", "Zoë", "ÉMILE"]
    assert [info.name for info in gallery.subjects(limit=2, offset=1)] == ["Ada", "adam"]
    assert [info.name for info in gallery.subjects(offset=5)] == ["ÉMILE"]
    assert [info.name for info in gallery.subjects(search="ADA")] == ["Ada", "adam"]
    assert [info.name for info in gallery.subjects(search="émi")] == ["ÉMILE"]
    assert [info.name for info in gallery.subjects(search="%")] == ["100%"]
    assert [info.name for info in gallery.subjects(search="_")] == ["under_score"]


def test_an_unknown_name_suggests_the_closest(gallery):
    for name in ("Ada Lovelace", "Grace Hopper", "Zoë"):
        gallery.enrol(name, [sample_of(name)])
    with pytest.raises(SubjectNotFoundError, match="did you mean 'Ada Lovelace'"):
        gallery.subject("Ada Lovelase")
    with pytest.raises(SubjectNotFoundError, match="did you mean 'Zoë'"):
        gallery.remove("zoë")
    with pytest.raises(SubjectNotFoundError, match="gallery list"):
        gallery.rename("Xerxes", "Y")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b\\c", "'; DROP TABLE subjects;--", "名前", "👩🏽 x", "CON", "𝔄da", "ｗide"]
)
def test_any_printable_name_works(gallery, name):
    gallery.enrol(name, [sample_of(name)])
    assert best(gallery, name) == [name]
    assert names(gallery) == [name]
    assert gallery.remove(name) == 1


def test_names_are_normalised(gallery):
    gallery.enrol("Zoe\u0308 ", [sample_of("a")])
    gallery.enrol("Zoë", [sample_of("b")])
    assert names(gallery) == ["Zoë"]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00", "\u202eevil", "\ud800", "x" * 201, "a\u200bb", "\u2028"])
def test_unprintable_names_are_refused(gallery, name):
    with pytest.raises(SubjectNameError) as caught:
        gallery.enrol(name, [sample_of("a")])
    assert caught.value.message.isprintable()
