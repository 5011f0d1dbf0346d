"""`gallery tune`: what it measures, what it refuses, and that its choice is kept and used."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.gallery import tuning
from pipeline.gallery.codes import Codes, Coding
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.segments import Segment


@pytest.fixture
def small(monkeypatch):
    """Segments get codes from 64 rows on, and whatever is right is quick enough."""
    monkeypatch.setattr("pipeline.gallery.faiss_index.SEALED", 64)
    monkeypatch.setattr(tuning, "SEALED", 64)
    monkeypatch.setattr(tuning, "FIRST", (64, 128))
    monkeypatch.setattr(tuning, "PAYS", 1e-9)
    monkeypatch.setattr("pipeline.gallery.shortlist._WORTHWHILE", 1)


def people(count=3000, dimension=64, samples=3):
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.standard_normal((count // samples, dimension)), samples, axis=0)
    rows = centres + 0.8 * rng.standard_normal(centres.shape)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ids = np.arange(len(rows), dtype=np.int64)
    return Segment.of(rows, ids, ids // samples)


def measure(segment, threshold=0.5, target=0.999, probes=100):
    notes = []
    index = FaissIndex(segment.vectors.shape[1], segment)
    return *tuning.measure(index, threshold, target, probes, notes.append), notes


def test_probes_are_like_the_gallery_s_own():
    segment = people()
    enrolled, unenrolled = tuning.enrolled_probes(segment, 500), tuning.unenrolled_probes(segment, 500)
    mated = np.einsum("nd,nd->n", segment.vectors[::3], segment.vectors[1::3])
    best = (enrolled.vectors @ segment.vectors.T).max(axis=1)
    assert abs(np.median(best) - np.median(mated)) < 0.05
    assert np.allclose(np.linalg.norm(enrolled.vectors, axis=1), 1, atol=1e-5)
    own = segment.labels == unenrolled.left_out[:, None]
    scores = unenrolled.vectors @ segment.vectors.T
    assert np.all(own.sum(axis=1) == 3)
    assert np.where(own, -1, scores).max() < mated.mean()  # strangers are less alike than two samples of one person
    again = tuning.unenrolled_probes(segment, 500)
    assert np.array_equal(again.vectors, unenrolled.vectors)


def test_the_compressed_index_is_chosen_when_it_pays(small):
    coding, found, notes = measure(people())
    assert coding in tuning.candidates(64)
    assert [each.method for each in found] == ["exact"] + ["rabitq"] * 6
    assert found[0].megabytes == round(3000 * 64 * 4e-6, 1)
    assert all(each.changed_enrolled == each.changed_unenrolled == 0 for each in found)
    assert all(each.recall_enrolled == 1 for each in found)
    assert all(each.p50_ms > 0 and each.p95_ms >= each.p50_ms for each in found)
    assert len(notes) == 7


def test_what_does_not_pay_is_not_chosen(small, monkeypatch):
    monkeypatch.setattr(tuning, "PAYS", 1e9)
    coding, found, _ = measure(people())
    assert coding is None
    assert {each.refused for each in found[1:]} == {"not quick enough to pay"}


def test_an_index_that_changes_decisions_is_refused(small, monkeypatch):
    """A first pass that claims to have missed nothing, and misses most."""
    monkeypatch.setattr("pipeline.gallery.shortlist.unexamined", lambda estimates, bits: estimates - 2)
    monkeypatch.setattr(Codes, "nearest", lambda self, shard, queries, count: (
        np.tile(np.arange(count), (len(queries), 1)), np.zeros(len(queries), np.float32)
    ))  # fmt: skip
    coding, found, _ = measure(people())
    assert coding is None
    assert all("decisions" in each.refused for each in found[1:])
    assert all(each.changed_enrolled > 50 for each in found[1:])


def test_recall_below_the_target_is_refused():
    refusal = tuning._refusal((0.998, 0.4, 0, 0), 0.999, 1.0, 100.0)
    assert "0.998" in refusal
    assert tuning._refusal((0.999, 0.4, 0, 0), 0.999, 1.0, 100.0) == ""
    assert "1 decisions" in tuning._refusal((1.0, 1.0, 0, 1), 0.999, 1.0, 100.0)


def test_codes_are_never_shorter_than_the_vectors():
    for dimension in (1, 64, 100, 128, 512, 1000):
        assert all(coding.bits >= dimension for coding in tuning.candidates(dimension))
        assert all(coding.first >= 128 for coding in tuning.candidates(dimension))


def test_the_choice_is_kept_with_its_evidence_and_used(small, tmp_path):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(300)])
        chosen = gallery.tune(0.5, 0.999, 60, lambda _: None)
        assert chosen == json.loads(json.dumps(gallery.document("index")))
        coding = Coding.of_document(chosen)
        assert coding is not None
        assert chosen["evidence"]["vectors"] == 300
        assert chosen["evidence"]["threshold"] == 0.5
        assert len(chosen["evidence"]["candidates"]) == 7
        assert gallery.save_index()
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert gallery.search(probe_of(7), threshold=0.5)[0].subjects[0] == "s7"
        assert gallery.stats()["index"]["code_bits"] == coding.bits


def test_a_small_gallery_stays_exact(tmp_path):
    notes = []
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(10)])
        assert gallery.tune(0.5, 0.999, 60, notes.append)["method"] == "exact"
        assert "10 templates" in notes[0]
    with Gallery.open(tmp_path / "empty", MODEL, DIMENSION) as gallery:
        assert gallery.tune(0.5, 0.999, 60, notes.append)["method"] == "exact"
