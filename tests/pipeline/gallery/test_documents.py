from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from gallery_samples import DIMENSION, probe_of, sample_of
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import GalleryDamagedError, GalleryError
from pipeline.gallery import documents
from pipeline.gallery.gallery import Gallery

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_what_is_stored_is_what_was_given(body):
    text = documents.encode("kind", body)
    assert text.isascii()
    assert documents.decode(text) == body


def test_one_document_per_kind_and_model(gallery, tmp_path):
    assert gallery.document("index") is None
    gallery.put_document("index", {"recall": 0.999, "name": "Zoë \U0001f600"})
    gallery.put_document("operating_points", {"points": [1, 2]})
    with Gallery.open(tmp_path / "gallery", "other.unit@11111111", DIMENSION) as other:
        assert other.document("index") is None
        other.put_document("index", {"theirs": True})
    gallery.put_document("index", {"recall": 1.0})
    assert gallery.document("index") == {"recall": 1.0}
    assert gallery.stats()["documents"] == 3
    assert gallery.drop_document("index")
    assert not gallery.drop_document("index")
    assert gallery.document("index") is None
    assert gallery.document("operating_points") == {"points": [1, 2]}
    with Gallery.open(tmp_path / "gallery", "other.unit@11111111", DIMENSION) as other:
        assert other.document("index") == {"theirs": True}
        assert other.check() == []


def test_a_document_is_a_change_like_every_other_and_harms_no_index(gallery):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.search(probe_of("ada"))
    before = gallery.generation
    gallery.put_document("index", {"a": 1})
    assert gallery.generation == before + 1
    gallery.drop_document("index")
    gallery.drop_document("index")
    assert gallery.generation == before + 2
    assert gallery.search(probe_of("ada"))[0].subjects == ("Ada",)
    assert gallery.check() == []


def test_changes_of_one_document_at_the_same_time_are_all_kept(gallery, tmp_path):
    """Each adds its own name to what there is; read and write in two transactions would lose some."""
    together = threading.Barrier(4)

    def add(name):
        with Gallery.open(tmp_path / "gallery", gallery.model_id, DIMENSION) as other:
            together.wait(120)
            for number in range(5):
                other.update_document("index", lambda old, key=f"{name}{number}": {**(old or {}), key: 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, "abcd"))
    assert set(gallery.document("index")) == {f"{name}{number}" for name in "abcd" for number in range(5)}


def test_a_change_that_fails_leaves_the_document_as_it_was(gallery):
    gallery.put_document("index", {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        gallery.update_document("index", lambda old: {**old, "b": b"x"})
    assert gallery.document("index") == {"a": 1}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"score": float("nan")}, ValueError),
        ({"score": float("inf")}, ValueError),
        ({"bytes": b"x"}, ValueError),
        ({"text": "x" * documents.MAX_LENGTH}, GalleryError),
    ],
)
def test_what_cannot_be_a_document_is_refused_and_the_old_one_stays(gallery, body, error):
    gallery.put_document("index", {"a": 1})
    with pytest.raises(error):
        gallery.put_document("index", body)
    with pytest.raises(ValueError, match="empty"):
        gallery.put_document("", {})
    assert gallery.document("index") == {"a": 1}


def test_documents_are_in_the_backup(gallery, tmp_path):
    gallery.put_document("index", {"a": [1, {"b": None}]})
    gallery.backup(tmp_path / "one.db")
    gallery.put_document("index", {"a": 2})
    gallery.put_document("operating_points", {})
    Gallery.restore(tmp_path / "one.db", tmp_path / "gallery")
    assert gallery.document("index") == {"a": [1, {"b": None}]}
    assert gallery.document("operating_points") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '"a"',
        '{"a": NaN}',
        '{"a": 1e400}',
        '{"a": [-1e999]}',
        '{"a": 1} x',
        "[" * 100_000,
        "9" * 5000,
        f'{{"a": "{"x" * (1 << 20)}"}}',
    ],
    ids=lambda text: text[:10] or "empty",
)
def test_a_text_that_is_no_document(gallery, tmp_path, text):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.put_document("index", {"a": 1})
    with sqlite3.connect(tmp_path / "gallery" / "gallery.db") as database:
        database.execute("UPDATE documents SET body = ?", (text,))
    database.close()
    with pytest.raises(GalleryDamagedError, match="document 'index' is damaged") as raised:
        gallery.document("index")
    assert len(raised.value.message.splitlines()) == 1
    [problem] = gallery.check()
    assert problem.kind == "bad_value"
    assert "row 1 of documents holds what cannot be its body;" in problem.message
    assert gallery.search(probe_of("ada"))[0].subjects == ("Ada",)
    gallery.put_document("index", {"a": 2})  # as the message says
    assert gallery.document("index") == {"a": 2}
    assert gallery.check() == []
