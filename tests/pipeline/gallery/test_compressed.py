"""The compressed index: what its first pass promises, and that a gallery keeps, follows, erases and distrusts it."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of, vector_of

from pipeline.gallery import codes, faiss_index, snapshot
from pipeline.gallery.codes import Codes, Coding
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.index_choice import KIND
from pipeline.gallery.segments import Segment
from pipeline.gallery.tuning import candidates

CODING = Coding(bits=256, first=16)
PEOPLE = 200


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch):
    monkeypatch.setattr(faiss_index, "SEALED", 64)
    monkeypatch.setattr("pipeline.gallery.shortlist._WORTHWHILE", 1)
    monkeypatch.setattr("pipeline.gallery.shortlist.FEW", 1000)


def unit(rng, n, d, spectrum=0.0):
    rows = rng.standard_normal((n, d)).astype(np.float32) * np.arange(1, d + 1, dtype=np.float32) ** -spectrum
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def build(folder, people=PEOPLE):
    """A saved gallery that has chosen the compressed index; returns its index file."""
    with Gallery.open(folder, MODEL, DIMENSION) as gallery:
        gallery.put_document(KIND, CODING.as_document())
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(people)])
        assert gallery.save_index()
    [file] = folder.glob("*.kfi")
    return file


def saved(file):
    """The segments of an index file."""
    with sqlite3.connect(file.with_name("gallery.db")) as database:
        truth = snapshot.Meta(*database.execute("SELECT gallery_id, generation, removal, horizon FROM meta").fetchone())
    database.close()
    return snapshot.load(file, MODEL, DIMENSION, truth).segments


@pytest.mark.parametrize("spectrum", [0.0, 0.5])
@pytest.mark.parametrize(("dimension", "bits"), [(128, 128), (128, 512), (512, 512)])
def test_an_estimate_is_as_good_as_the_paper_says(dimension, bits, spectrum):
    rng = np.random.default_rng(0)
    rows, queries = unit(rng, 4000, dimension, spectrum), unit(rng, 50, dimension, spectrum)
    made = Codes.encode(rows, bits)
    assert (len(made), made.shards) == (4000, 1)
    rotated = made.rotated(queries)
    estimates, found = made._shards[0].search(rotated, 4000)
    true = np.take_along_axis(queries @ rows.T, found, axis=1)
    errors = estimates - true
    sigma = codes.sigma(bits) * np.sqrt(1 - true**2)
    assert abs(errors.mean()) < 0.1 * sigma.mean()
    assert 0.6 < (errors / sigma).std() < 1.05
    assert (errors < -codes.SIGMAS * sigma).mean() < 1.5 * codes.MISSED  # 67 of 200,000 are to be expected
    rows_found, best = made.nearest(0, rotated, 300)
    for line in range(50):
        left_out = ~np.isin(found[line], rows_found[line])
        assert estimates[line][left_out].max() <= best[line] + 1e-6


def test_the_bound_solves_its_equation():
    assert pytest.approx(3.37e-4, rel=0.01) == codes.MISSED
    for bits in (128, 512, 1024):
        estimates = np.linspace(-0.5, 0.9, 30)
        bounds = codes.unexamined(estimates, bits)
        assert np.allclose(bounds - estimates, codes.SIGMAS * codes.sigma(bits) * np.sqrt(1 - bounds**2))


def test_shards_are_searched_as_one_and_kept(monkeypatch):
    rng = np.random.default_rng(7)
    rows, queries = unit(rng, 1000, 64), unit(rng, 40, 64)
    ids = np.arange(1000, dtype=np.int64)
    exact = FaissIndex(64, Segment.of(rows, ids, ids))
    monkeypatch.setattr(codes, "_CHUNK", 32)
    monkeypatch.setattr(codes, "_SHARD", 64)
    made = Codes.encode(rows, 512)
    assert (len(made), made.shards) == (1000, 16)
    again = Codes.from_bytes(made.to_bytes(), 64, 512, 1000)
    index = FaissIndex(64, [replace(Segment.of(rows, ids, ids), codes=again)], Coding(512, 100))
    index.remove(ids[::7])
    exact.remove(ids[::7])
    assert index.segments[0].codes is again
    for mine, true in zip(index.search(queries, 5), exact.search(queries, 5), strict=True):
        assert mine.tolist() == true.tolist()
    for count in (999, 900, 2000):
        with pytest.raises(ValueError, match="fit"):
            Codes.from_bytes(made.to_bytes(), 64, 512, count)


@pytest.mark.parametrize("dimension", [4, 30, 64])
def test_every_dimension_can_be_encoded_and_read_back(dimension):
    rng = np.random.default_rng(1)
    rows = unit(rng, 100, dimension)
    made = Codes.encode(rows, 64)
    again = Codes.from_bytes(made.to_bytes(), dimension, 64, 100)
    for each in (made, again):
        found, _ = each.nearest(0, each.rotated(rows[:20]), 5)
        assert all(number in line for number, line in enumerate(found.tolist()))
    with pytest.raises(ValueError, match="fit"):
        Codes.from_bytes(made.to_bytes(), dimension, 64, 99)
    with pytest.raises(ValueError, match="codes"):
        Codes.from_bytes(np.zeros(50, np.uint8), dimension, 64, 100)


def test_codes_shorter_than_the_vectors_are_refused():
    with pytest.raises(ValueError, match="too short"):
        Codes.encode(unit(np.random.default_rng(2), 10, 128), 64)
    with pytest.raises(ValueError, match="bits"):
        Coding(bits=65, first=1)


def test_decisions_are_those_of_the_exact_index_and_few_rows_are_compared(monkeypatch):
    """People and strangers around a threshold, the first pass alone where it settles them."""
    rng = np.random.default_rng(3)
    rows = unit(rng, 30_000, 64)
    ids = np.arange(len(rows), dtype=np.int64)
    exact = FaissIndex(64, Segment.of(rows, ids, ids // 3))
    index = FaissIndex(64, Segment.of(rows, ids, ids // 3), Coding(bits=512, first=512))
    mixed = 0.55 * rows[:200] + 0.835 * unit(rng, 200, 64)
    probes = np.concatenate([mixed / np.linalg.norm(mixed, axis=1, keepdims=True), unit(rng, 200, 64)])
    expected = exact.search_labels(probes, 2)
    threshold = float(np.quantile([scores[0] for scores, _ in expected[200:]], 0.95))
    for (scores, labels), (true, owners) in zip(index.search_labels(probes, 2), expected, strict=True):
        assert labels.tolist() == owners.tolist()  # without a threshold the answer is the exact one, however long
        assert scores.tolist() == true.tolist()
    scans = []
    monkeypatch.setattr("pipeline.gallery.shortlist.scan", lambda *args: scans.append(args) or pytest.fail("scanned"))
    answers = index.search_labels(probes, 2, threshold)
    assert not scans
    for (scores, labels), (true, owners) in zip(answers, expected, strict=True):
        reached = true >= threshold
        assert (scores >= threshold).tolist() == reached.tolist()
        assert labels[reached].tolist() == owners[reached].tolist()
        assert scores[reached].tolist() == true[reached].tolist()
        assert len(labels) == 2


def test_below_the_threshold_a_score_is_still_that_of_the_best_sample():
    rng = np.random.default_rng(8)
    rows = unit(rng, 3000, 64)
    ids = np.arange(len(rows), dtype=np.int64)
    owners = rng.integers(0, 60, len(rows))
    index = FaissIndex(64, Segment.of(rows, ids, owners), Coding(bits=64, first=16))
    index.remove(ids[::7])
    live = np.setdiff1d(ids, ids[::7])
    for probe in unit(rng, 50, 64):
        [(scores, labels)] = index.search_labels(probe[None], 5, 0.9)
        products = rows[live].astype(np.float64) @ probe.astype(np.float64)
        best = [products[owners[live] == label].max() for label in labels]
        assert scores.tolist() == pytest.approx(best, abs=1e-6)
        assert (np.diff(scores) <= 0).all()
        assert len(set(labels.tolist())) == 5


def test_added_rows_are_sealed_and_segments_joined():
    rng = np.random.default_rng(4)
    index = FaissIndex(16, coding=Coding(bits=64, first=16))
    rows = unit(rng, 1000, 16)
    for low in range(0, 1000, 20):
        index.add(rows[low : low + 20], np.arange(low, low + 20, dtype=np.int64))
    assert len(index) == 1000
    assert all(segment.codes is not None for segment in index.segments[:-1])
    assert 1 < len(index.segments) < 11
    assert index.segments[-1].codes is None
    assert index.search(rows, 1)[1].ravel().tolist() == list(range(1000))
    index.recode(None)
    added = FaissIndex(16)
    added.add(rows, np.arange(1000, dtype=np.int64))
    added.recode(Coding(bits=64, first=16))  # what was added before the choice gets codes too
    assert [len(segment.codes or ()) for segment in added.segments if len(segment)] == [1000]
    assert not any(segment.codes for segment in index.segments)
    assert index.search(rows, 1)[1].ravel().tolist() == list(range(1000))


def test_a_gallery_is_opened_with_its_codes(tmp_path, monkeypatch):
    build(tmp_path)
    monkeypatch.setattr(Codes, "encode", lambda *_: pytest.fail("encoded"))
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert gallery.search(probe_of(7))[0].subjects[0] == "s7"
        figures = gallery.stats()["index"]
        assert (figures["method"], figures["code_bits"], figures["first_pass"]) == ("rabitq", 256, 16)
        gallery.enrol("late", [sample_of("late")])
        assert [c.subjects[0] for c in gallery.search(probe_of("late", 7))] == ["late", "s7"]


def test_others_follow_the_choice(tmp_path):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as one, Gallery.open(tmp_path, MODEL, DIMENSION) as two:
        one.enrol_many([(f"s{n}", sample_of(n)) for n in range(PEOPLE)])
        assert two.search(probe_of(5))[0].subjects[0] == "s5"
        assert two.stats()["index"]["method"] == "exact"
        one.put_document(KIND, CODING.as_document())
        assert two.search(probe_of(5))[0].subjects[0] == "s5"
        assert two.stats()["index"]["method"] == "rabitq"
        assert two.check() == []
        one.drop_document(KIND)
        assert two.search(probe_of(5))[0].subjects[0] == "s5"
        assert two.stats()["index"]["method"] == "exact"


def test_fused_templates_are_compressed_too(tmp_path):
    with Gallery.open(tmp_path, MODEL, DIMENSION, subject_score="fused") as gallery:
        gallery.put_document(KIND, CODING.as_document())
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(PEOPLE)])
        assert gallery.save_index()
    with Gallery.open(tmp_path, MODEL, DIMENSION, subject_score="fused") as gallery:
        assert gallery.search(probe_of(9))[0].subjects[0] == "s9"
        assert gallery.stats()["index"]["method"] == "rabitq"
        gallery.remove("s9")
        assert gallery.search(probe_of(9))[0].subjects[0] != "s9"


def test_a_removed_row_s_code_is_in_no_file(tmp_path):
    file = build(tmp_path)
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.search(probe_of(1))
        for n in (0, 50, 199):
            gallery.remove(f"s{n}")
        assert not file.exists()  # the codes stood in it
        assert gallery.search(probe_of(50))[0].subjects[0] != "s50"
        gallery.save_index()
        kept = np.stack([vector_of(n) for n in range(PEOPLE) if n not in (0, 50, 199)])
        coded, rest = saved(file)
        assert len(rest) == 0
        assert coded.vectors.tolist() == kept.tolist()
        assert coded.codes.to_bytes().tobytes() == Codes.encode(kept, 256).to_bytes().tobytes()
        assert gallery.check() == []


def test_a_flipped_byte_among_the_codes_is_noticed(tmp_path, caplog):
    """Raw FAISS loads such a file and says nothing."""
    file = build(tmp_path)
    data = file.read_bytes()
    at = data.rindex(saved(file)[0].codes.to_bytes().tobytes()[-64:])
    file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery, caplog.at_level(logging.WARNING):
        assert [problem.kind for problem in gallery.check()] == ["index_damaged"]
        assert gallery.search(probe_of(3))[0].subjects[0] == "s3"
        assert "checksum" in caplog.text
        assert not file.exists()
        assert gallery.stats()["index"]["method"] == "rabitq"


@pytest.mark.parametrize(
    "body",
    [
        {"method": "quantum"},
        {},
        {"method": "rabitq", "bits": 65, "first": 1},
        {"method": "rabitq", "bits": "x"},
        {"method": "rabitq", "bits": 320, "first": 1},  # of 32 dimensions; 256 are the most that are ever tried
        {"method": "rabitq", "bits": 64 * 2**70, "first": 1},
    ],
)
def test_a_choice_that_is_not_understood_means_the_exact_index(tmp_path, body, caplog):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery, caplog.at_level(logging.WARNING):
        gallery.put_document(KIND, body)
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(PEOPLE)])
        assert gallery.search(probe_of(5))[0].subjects[0] == "s5"
        assert gallery.stats()["index"]["method"] == "exact"
        assert "exact index is used" in caplog.text


def test_the_longest_codes_that_tuning_tries_are_used(tmp_path):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.put_document(KIND, max(candidates(DIMENSION), key=lambda coding: coding.bits).as_document())
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(PEOPLE)])
        assert gallery.search(probe_of(5))[0].subjects[0] == "s5"
        assert gallery.stats()["index"]["method"] == "rabitq"
