"""One suite for every index: what `pipeline.protocols.Index` promises, held against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.gallery.codes import Coding
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.index import ExactIndex
from pipeline.gallery.segments import Segment
from pipeline.protocols import Index

D = 16


def unit(rng: np.random.Generator, n: int, d: int = D) -> np.ndarray:
    rows = rng.standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def preloaded(dimension: int) -> FaissIndex:
    """An index with a loaded base segment, emptied again: everything that follows must work around its dead rows."""
    rng = np.random.default_rng(7)
    ids = np.arange(-50, 0, dtype=np.int64)
    index = FaissIndex(dimension, Segment.of(unit(rng, 50, dimension), ids, ids))
    assert index.remove(ids) == 50
    return index


def compressed(dimension: int) -> FaissIndex:
    """An index whose every segment of 32 rows has codes, and whose first pass examines one row: all else is widened."""
    return FaissIndex(dimension, coding=Coding(bits=64, first=1))


def compressed_and_preloaded(dimension: int) -> FaissIndex:
    """The same beginning with a segment whose rows are all dead but keep their codes."""
    rng = np.random.default_rng(7)
    ids = np.arange(-500, 0, dtype=np.int64)
    base = Segment.of(unit(rng, 500, dimension), ids, ids)
    index = FaissIndex(dimension, base, Coding(bits=64, first=16))
    assert index.segments[0].codes is not None
    assert index.remove(ids) == 500
    return index


KINDS = [FaissIndex, preloaded, compressed, compressed_and_preloaded]


ENGINES = [pytest.param(name, marks=pytest.mark.slow) for name in ("pgvector", "milvus_lite", "milvus")]


@pytest.fixture(params=[ExactIndex, *KINDS, *ENGINES], ids=lambda f: getattr(f, "__name__", f))
def make(request):
    """Makes an empty index of a dimension."""
    return request.getfixturevalue("engine").__getitem__ if isinstance(request.param, str) else request.param


@pytest.fixture
def engine(request):
    """Empty indexes of one engine, by dimension; a collection of Milvus takes seconds to make, so each serves again."""
    name = request.node.callspec.params.get("make") or request.node.callspec.params["name"]
    return request.getfixturevalue(f"{name}_indexes")


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch):
    """Codes come into play from a few rows on."""
    monkeypatch.setattr("pipeline.gallery.faiss_index.SEALED", 32)
    monkeypatch.setattr("pipeline.gallery.shortlist._WORTHWHILE", 1)
    monkeypatch.setattr("pipeline.gallery.shortlist.FEW", 1000)


def ids_of(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_it_is_an_index(make):
    index: Index = make(D)
    assert index.dimension == D
    assert len(index) == 0
    scores, ids = index.search(unit(np.random.default_rng(0), 3), 5)
    assert scores.shape == ids.shape == (3, 0)
    assert scores.dtype == np.float32
    assert ids.dtype == np.int64
    scores, ids = index.search(np.zeros((0, D), np.float32), 5)
    assert scores.shape == (0, 0)


def test_finds_what_was_added_and_orders_it(make):
    rng = np.random.default_rng(1)
    rows = unit(rng, 300)
    index = make(D)
    index.add(rows, np.arange(300, dtype=np.int64) * 3 + 5)
    scores, ids = index.search(rows[:40], 7)
    assert ids[:, 0].tolist() == [3 * i + 5 for i in range(40)]
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-6)
    assert np.all(np.diff(scores, axis=1) <= 0)
    assert all(len(set(line)) == 7 for line in ids.tolist())


def test_equal_scores_fall_by_ascending_id(make):
    rng = np.random.default_rng(2)
    twin = unit(rng, 1)
    index = make(D)
    index.add(unit(rng, 50), np.arange(1000, 1050, dtype=np.int64))
    index.add(np.repeat(twin, 60, axis=0), rng.permutation(60).astype(np.int64))
    for queries in (twin, np.repeat(twin, 5, axis=0)):
        scores, ids = index.search(queries, 9)
        np.testing.assert_allclose(scores, 1, atol=1e-6)
        assert ids.tolist() == [list(range(9))] * len(queries)


def test_remove_shifts_no_ids(make):
    """A flat FAISS index renumbers the rows behind a removed one; here an id stays what it is."""
    rng = np.random.default_rng(3)
    rows = unit(rng, 10)
    index = make(D)
    index.add(rows, np.arange(10, dtype=np.int64))
    assert index.remove(ids_of(0, 4, 77)) == 2
    assert index.remove(ids_of(0, 4)) == 0
    assert len(index) == 8
    for number in (1, 2, 3, 5, 6, 7, 8, 9):
        assert index.search(rows[number : number + 1], 1)[1].item() == number
    assert not {0, 4} & set(index.search(rows[[0, 4]], 8)[1].ravel().tolist())
    index.add(rows[[4]], ids_of(4))  # and may come back
    assert index.search(rows[[4]], 1)[1].item() == 4
    assert len(index) == 9


@pytest.mark.parametrize("ids", [ids_of(1, 1), ids_of(5, 0)], ids=["twice in one call", "there already"])
def test_duplicate_ids_are_refused(make, ids):
    """FAISS' IDMap2 takes them silently."""
    rng = np.random.default_rng(4)
    index = make(D)
    index.add(unit(rng, 1), ids_of(0))
    with pytest.raises(ValueError, match="id"):
        index.add(unit(rng, 2), ids)
    assert len(index) == 1


def bad_inputs() -> dict[str, np.ndarray]:
    good = unit(np.random.default_rng(5), 2)
    nan, infinite, long, zero = good.copy(), good.copy(), good.copy(), good.copy()
    nan[1, 3], infinite[0, 0], zero[0] = np.nan, np.inf, 0
    long *= 1.01
    return {
        "NaN": nan,
        "infinite": infinite,
        "not unit": long,
        "zero": zero,
        "float64": good.astype(np.float64),
        "one vector": good[0],
        "other dimension": good[:, :-1],
    }


@pytest.mark.parametrize("name", bad_inputs())
def test_bad_vectors_are_refused(make, name):
    """FAISS answers a NaN query with -1 and keeps NaN rows."""
    index = make(D)
    index.add(unit(np.random.default_rng(6), 3), ids_of(0, 1, 2))
    with pytest.raises(ValueError, match="vectors"):
        index.search(bad_inputs()[name], 1)
    with pytest.raises(ValueError, match="vectors"):
        index.add(bad_inputs()[name], ids_of(8, 9))
    assert len(index) == 3


def test_bad_shapes_are_refused(make):
    index = make(D)
    rows = unit(np.random.default_rng(6), 3)
    for ids in (ids_of(0, 1), np.arange(3, dtype=np.int32), np.zeros((3, 1), np.int64)):
        with pytest.raises(ValueError, match="ids"):
            index.add(rows, ids)
    with pytest.raises(ValueError, match="k must"):
        index.search(rows, 0)


def test_a_score_does_not_depend_on_the_batch(make):
    rng = np.random.default_rng(8)
    rows, queries = unit(rng, 500), unit(rng, 33)
    index = make(D)
    index.add(rows, np.arange(500, dtype=np.int64))
    together = index.search(queries, 5)
    for number in range(33) if isinstance(index, ExactIndex | FaissIndex) else (0, 7, 32):
        alone = index.search(queries[number : number + 1], 5)
        assert alone[0].tolist() == together[0][number : number + 1].tolist()
        assert alone[1].tolist() == together[1][number : number + 1].tolist()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_equals_the_oracle_through_any_history(data):
    """Adds, removals and searches in any order, with few distinct vectors so that ties abound."""
    any_history(data, ExactIndex(4), [kind(4) for kind in KINDS])


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_engine_equals_the_oracle_through_any_history(engine, name, data):
    any_history(data, ExactIndex(4), [engine[4]])


def any_history(data, oracle, subjects):
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    palette = unit(rng, 12, 4)
    for _ in range(data.draw(st.integers(1, 12))):
        action = data.draw(st.sampled_from(["add", "add", "remove", "search"]))
        if action == "add":
            present = set(oracle._ids.tolist())
            wanted = data.draw(st.lists(st.integers(0, 400), max_size=60, unique=True))
            ids = np.array([i for i in wanted if i not in present], np.int64)
            rows = palette[rng.integers(0, 12, len(ids))]
            for index in (oracle, *subjects):
                index.add(rows, ids)
        elif action == "remove":
            ids = np.array(data.draw(st.lists(st.integers(0, 400), max_size=200)), np.int64)
            assert len({index.remove(ids) for index in (oracle, *subjects)}) == 1
        else:
            queries = palette[rng.integers(0, 12, data.draw(st.integers(1, 6)))]
            k = data.draw(st.integers(1, 40))
            expected = oracle.search(queries, k)
            for index in subjects:
                scores, ids = index.search(queries, k)
                assert scores.tolist() == expected[0].tolist()
                assert ids.tolist() == expected[1].tolist()


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_equals_the_oracle_on_many_rows(engine, name):
    """More ties than are asked for at first, rows put twice, dead rows among the best."""
    rng = np.random.default_rng(10)
    vectors = np.repeat(unit(rng, 250, 8), 4, axis=0)
    ids = rng.permutation(1000).astype(np.int64)
    oracle, index = ExactIndex(8), engine[8]
    oracle.add(vectors, ids)
    index.put(vectors[:600], ids[:600])
    index.put(vectors[500:], ids[500:])
    assert len(index) == 1000
    probes = unit(rng, 9, 8)
    best = np.unique(oracle.search(probes, 40)[1][:, ::2])
    assert oracle.remove(best) == index.remove(best)
    expected, got = oracle.search(probes, 50), index.search(probes, 50)
    assert got[1].tolist() == expected[1].tolist()
    assert got[0].tolist() == expected[0].tolist()


@pytest.mark.parametrize("coding", [None, Coding(bits=128, first=64)], ids=["exact", "compressed"])
@pytest.mark.parametrize("queries", [1, 2, 64])
@pytest.mark.parametrize("rows", [1000, 30_000])
def test_equals_the_oracle_on_many_rows(rows, queries, coding):
    """Several tiles of the batched scan, dead rows among the best, ids in no order."""
    rng = np.random.default_rng(9)
    vectors = unit(rng, rows, 8)
    ids = rng.permutation(rows).astype(np.int64)
    base = Segment.of(vectors[: rows // 2], ids[: rows // 2], ids[: rows // 2])
    oracle, index = ExactIndex(8), FaissIndex(8, base, coding)
    oracle.add(vectors, ids)
    index.add(vectors[rows // 2 :], ids[rows // 2 :])
    probes = unit(rng, queries, 8)
    best = np.unique(oracle.search(probes, 40)[1][:, ::2])
    for each in (oracle, index):
        each.remove(best)
    expected, got = oracle.search(probes, 50), index.search(probes, 50)
    assert got[1].tolist() == expected[1].tolist()
    assert got[0].tolist() == expected[0].tolist()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 6), labels=st.integers(1, 8), kind=st.sampled_from(KINDS))
def test_labels_are_different_and_have_their_best_row(seed, k, labels, kind):
    rng = np.random.default_rng(seed)
    vectors = unit(rng, 400, 6)
    owner = rng.integers(0, labels, 400).astype(np.int64)
    index = kind(6)
    index.apply(vectors, np.arange(400, dtype=np.int64), owner, ids_of())
    probes = unit(rng, 3, 6)
    for probe, (scores, found) in zip(probes, index.search_labels(probes, k), strict=True):
        best = {label: (vectors[owner == label] @ probe).max() for label in set(owner.tolist())}
        expected = sorted(best, key=lambda label: -best[label])[:k]
        assert found.tolist() == expected
        np.testing.assert_allclose(scores, [best[label] for label in expected], atol=1e-6)
