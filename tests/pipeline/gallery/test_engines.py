"""A gallery that is searched by an engine elsewhere answers as one that is searched in memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sqlalchemy as sa
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of, vector_of

from pipeline.errors import GalleryError, GalleryUnreachableError
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.index_place import IndexPlace

pytestmark = pytest.mark.slow


@pytest.fixture(params=["pgvector", "milvus_lite", "milvus"])
def place(request):
    """Location of an empty gallery, and the engine that searches it."""
    if request.param == "milvus_lite":
        url = request.getfixturevalue("milvus_lite")
        return str(request.getfixturevalue("tmp_path") / "gallery"), IndexPlace("milvus", url)
    location = request.getfixturevalue("database")
    if request.param == "pgvector":
        return location, IndexPlace("pgvector")
    return location, IndexPlace("milvus", request.getfixturevalue("milvus"))


quick = pytest.mark.parametrize("place", ["pgvector", "milvus_lite"], indirect=True)
"""A collection on a real Milvus takes seconds to make; what does not depend on it is asked of these two."""


@pytest.fixture
def gallery(place):
    with Gallery.open(place[0], MODEL, DIMENSION, index=place[1]) as opened:
        yield opened


def best(gallery, *keys):
    return [found.subjects[0] if found.subjects else None for found in gallery.search(probe_of(*keys))]


def test_it_answers_as_the_local_index_through_a_history(gallery, place):
    with Gallery.open(place[0], MODEL, DIMENSION) as local:

        def same():
            ours, theirs = (g.search(probe_of("ada1", "bob", "cy", "nobody"), k=4) for g in (gallery, local))
            for a, b in zip(ours, theirs, strict=True):
                assert a.subjects == b.subjects
                assert a.scores.tolist() == b.scores.tolist()

        same()
        first, _ = gallery.enrol("Ada", [sample_of("ada1"), sample_of("ada2")])
        local.enrol("Bob", [sample_of("bob")])
        gallery.enrol_many([(f"other {n}", sample_of(n)) for n in range(40)])
        same()
        gallery.enrol("Cy", [sample_of("cy", vector=vector_of("bob"))])  # Bob's twin: a tie
        same()
        gallery.split([first], "Eve")
        local.rename("Bob", "Robert")
        same()
        gallery.merge("Cy", "Robert")
        same()
        local.remove("other 3")
        gallery.remove("Eve")
        same()
        gallery.compact()
        same()
        assert best(gallery, "bob") == ["Robert"]
        assert gallery.check() == []


def test_two_nodes_see_each_other(gallery, place):
    with Gallery.open(place[0], MODEL, DIMENSION, index=IndexPlace()) as other:
        assert best(gallery, "ada") == [None]
        other.enrol("Ada", [sample_of("ada")])
        assert best(gallery, "ada") == ["Ada"]
        other.remove("Ada")
        assert best(gallery, "ada") == [None]


def test_who_is_removed_leaves_the_engine_with_the_removal(gallery):
    gallery.enrol("Ada", [sample_of("ada1"), sample_of("ada2")])
    gallery.enrol("Bob", [sample_of("bob")])
    assert best(gallery, "ada1") == ["Ada"]
    assert len(gallery._index._index) == 3
    gallery.remove("Ada")
    assert len(gallery._index._index) == 1
    gallery.compact()
    assert best(gallery, "ada1", "bob") == ["Bob", "Bob"]


def test_a_copy_that_is_lost_or_half_made_is_made_anew(gallery, monkeypatch):
    gallery.enrol("Ada", [sample_of("ada")])
    assert best(gallery, "ada") == ["Ada"]
    copy = gallery._index._index
    copy.clear()
    gallery._index._at = None
    assert best(gallery, "ada") == ["Ada"]

    def killed(_):
        raise KeyboardInterrupt

    gallery.enrol("Bob", [sample_of("bob")])
    monkeypatch.setattr(copy, "mark", killed)  # after the rows, before the generation is written
    with pytest.raises(KeyboardInterrupt):
        gallery.search(probe_of("bob"))
    monkeypatch.undo()
    assert best(gallery, "ada", "bob") == ["Ada", "Bob"]
    assert len(copy) == 2


@quick
def test_check_finds_what_disagrees(gallery):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.enrol("Bob", [sample_of("bob")])
    assert gallery.check() == []
    copy = gallery._index._index
    copy.put(vector_of("stranger")[None], np.array([99], np.int64))
    [problem] = gallery.check()
    assert problem.kind == "index_disagrees"
    assert "1 templates that the database does not have" in problem.message
    assert best(gallery, "stranger")[0] in {"Ada", "Bob"}  # whom the truth does not know is found by nobody
    gallery.check(repair=True)
    assert gallery.check() == []
    copy.remove(np.array([1], np.int64))
    assert "missing" in gallery.check(repair=True)[0].message
    assert best(gallery, "ada") == ["Ada"]
    figures = gallery.stats()["index"]
    assert (figures["vectors"], figures["generation"]) == (2, 2)


@quick
def test_there_is_nothing_to_tune(gallery):
    with pytest.raises(GalleryError, match='index = "local"'):
        gallery.tune(0.4, 0.999, 10, print)


@quick
def test_a_damaged_template_is_left_out(gallery):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.enrol("Bob", [sample_of("bob")])
    with gallery._truth.writing() as connection:
        connection.execute(sa.text("UPDATE templates SET vector = :short WHERE id = 1"), {"short": b"x"})
    assert best(gallery, "ada", "bob") == ["Bob", "Bob"]


@pytest.mark.parametrize(
    ("choice", "error", "what"),
    [
        (IndexPlace("pgvector"), GalleryError, "needs a gallery on PostgreSQL"),
        (IndexPlace("milvus"), GalleryError, "index_url"),
        (IndexPlace("milvus", "somewhere"), GalleryError, "ending in .db"),
        (IndexPlace("milvus", "u:secret@somewhere"), GalleryError, "ending in .db"),
        (IndexPlace("milvus", "http://u:secret@127.0.0.1:1x"), GalleryError, "cannot be read"),
        (IndexPlace("milvus", "http://[secret"), GalleryError, "cannot be read"),
        (IndexPlace("milvus", "http://u:secret@127.0.0.1:1"), GalleryUnreachableError, "does not answer"),
    ],
)
def test_an_engine_that_cannot_be_used(tmp_path, milvus_lite, choice, error, what):
    with pytest.raises(error, match=what) as raised:
        Gallery.open(tmp_path / "gallery", MODEL, DIMENSION, index=choice)
    assert "secret" not in raised.value.message
    with pytest.raises(GalleryError, match="subject_score"):
        Gallery.open(tmp_path / "gallery", MODEL, DIMENSION, index=choice, subject_score="fused")


_roles = itertools.count()


def test_a_database_without_the_extension(postgres):
    """It holds a gallery all the same; pgvector is asked for by name."""
    role = f"clerk_{next(_roles)}"
    for statement in (f"CREATE ROLE {role} LOGIN PASSWORD '{role}'", f"CREATE DATABASE {role} OWNER {role}"):
        postgres.execute(statement)
    url = sa.make_url(postgres.url(role)).set(username=role, password=role).render_as_string(hide_password=False)
    with Gallery.open(url, MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        assert best(gallery, "ada") == ["Ada"]
    with Gallery.open(url, MODEL, DIMENSION, index=IndexPlace("pgvector")) as gallery:
        with pytest.raises(GalleryError, match="CREATE EXTENSION vector"):
            best(gallery, "ada")
        postgres.execute("CREATE EXTENSION vector", role)
        assert best(gallery, "ada") == ["Ada"]


@pytest.mark.parametrize("engine", ["pgvector", "milvus"])
def test_a_graph_finds_who_is_enrolled(request, database, engine):
    url = request.getfixturevalue("milvus") if engine == "milvus" else ""
    with Gallery.open(database, MODEL, DIMENSION, index=IndexPlace(engine, url, "hnsw")) as gallery:
        gallery.enrol_many([(f"person {n}", sample_of(n)) for n in range(300)])
        assert best(gallery, *range(0, 300, 10)) == [f"person {n}" for n in range(0, 300, 10)]
        gallery.remove("person 10")
        assert best(gallery, 10) != ["person 10"]
    with Gallery.open(database, MODEL, DIMENSION, index=IndexPlace(engine, url, "exact")) as gallery:
        assert gallery._index._index.at() is None  # another method: made anew
        assert best(gallery, 20) == ["person 20"]
