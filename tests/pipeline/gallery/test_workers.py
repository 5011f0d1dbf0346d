"""Parts of a search shared among threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pipeline.gallery import workers
from pipeline.gallery.scan import inner_products


@pytest.fixture(autouse=True)
def _cores(monkeypatch):
    monkeypatch.setattr(workers, "_cores", lambda: 3)
    workers._pool.cache_clear()
    yield
    workers._pool().shutdown()
    workers._pool.cache_clear()


@pytest.mark.parametrize("parts", [0, 1, 2, 50])
def test_every_part_is_done_once_and_in_its_place(parts):
    done = []
    assert workers.share(lambda number: done.append(number) or number * number, parts) == [n * n for n in range(parts)]
    assert sorted(done) == list(range(parts))


def test_parts_run_at_the_same_time():
    met = threading.Barrier(3, timeout=60)
    assert len({*workers.share(lambda _: met.wait() >= 0 and threading.get_ident(), 3)}) == 3


def test_a_busy_pool_is_not_waited_for():
    release = threading.Event()
    blocked = [workers._pool().submit(release.wait, 30) for _ in range(2)]
    try:
        mine = threading.get_ident()
        assert workers.share(lambda _: threading.get_ident(), 8) == [mine] * 8
    finally:
        release.set()
    assert all(each.result() for each in blocked)


def test_what_fails_in_any_thread_is_raised():
    met = threading.Barrier(3, timeout=60)

    def work(number: int) -> int:
        met.wait()
        return 1 // number

    with pytest.raises(ZeroDivisionError):
        workers.share(work, 3)


def test_inner_products_of_rows_where_they_are():
    rng = np.random.default_rng(0)
    matrix, query = rng.standard_normal((50, 30)).astype(np.float32), rng.standard_normal(30).astype(np.float32)
    rows = rng.permutation(40)
    assert np.allclose(inner_products(matrix[5:], rows, query), matrix[5:][rows] @ query, atol=1e-5)
    assert inner_products(matrix, rows[:0], query).shape == (0,)
    for wrong in ([-1], [50]):
        with pytest.raises(ValueError, match="rows"):
            inner_products(matrix, np.array(wrong), query)
    with pytest.raises(ValueError, match="contiguous"):
        inner_products(matrix[:, ::2], rows, query[::2])
