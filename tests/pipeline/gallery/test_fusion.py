"""Fused templates: a slow oracle, the properties of a centre on the sphere, and the gallery searched by them."""

from __future__ import annotations

import math
import statistics
import threading

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, sample_of, vector_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.gallery.fusion import FULL, OUT, SCALE, fuse, fuse_groups
from pipeline.gallery.gallery import Gallery
from pipeline.types import Templates


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def around(centre, cosine, count, rng):
    """Unit vectors at this cosine from the centre."""
    noise = rng.standard_normal((count, len(centre)))
    noise -= (noise @ centre)[:, None] * centre
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return unit(cosine * centre + math.sqrt(1 - cosine**2) * noise)


def oracle(vectors, quality):
    """The formulas of the module, one number at a time."""
    rows = [[float(x) for x in row] for row in vectors]
    if len(rows) == 1:
        return rows[0]
    known = [max(q, 0.0) for q in quality if not math.isnan(q)]
    mean = sum(known) / len(known) if known else 0.0
    q = [1.0 if math.isnan(one) or not mean else max(one, 0.0) / mean for one in quality]

    def direction(weights):
        total = [sum(w * row[d] for w, row in zip(weights, rows, strict=True)) for d in range(len(rows[0]))]
        length = math.sqrt(sum(x * x for x in total))
        if length >= 1e-6:
            return [x / length for x in total]
        return max(zip(weights, rows, strict=True))[1]

    centre = direction(q)
    for _ in range(10 if len(rows) > 2 else 0):
        chords = [math.dist(row, centre) for row in rows]
        scale = max(statistics.median(chords), SCALE)
        robust = [min(1.0, max(0.0, (OUT - d / scale) / (OUT - FULL))) for d in chords]
        centre = direction([a * b for a, b in zip(q, robust, strict=True)])
    return centre


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, count=st.integers(1, 9), dimension=st.integers(2, 16), measured=st.booleans())
def test_fusing_is_what_the_formulas_say(seed, count, dimension, measured):
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((count, dimension)) + 2 * rng.standard_normal(dimension))
    quality = rng.uniform(-0.2, 1.0, count)
    quality[rng.uniform(size=count) < 0.3] = np.nan
    if not measured:
        quality[:] = np.nan
    fused = fuse(vectors, quality)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, oracle(vectors, quality), atol=2e-6)
    assert abs(np.linalg.norm(fused.astype(np.float64)) - 1) < 1e-6


@settings(max_examples=60, deadline=None)
@given(seed=seeds, count=st.integers(1, 8))
def test_the_order_of_the_samples_does_not_matter(seed, count):
    rng = np.random.default_rng(seed)
    vectors, quality = unit(rng.standard_normal((count, 8)) + 1.0), rng.uniform(size=count)
    order = rng.permutation(count)
    np.testing.assert_allclose(fuse(vectors, quality), fuse(vectors[order], quality[order]), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, copies=st.integers(1, 6))
def test_one_sample_is_itself_and_so_are_its_copies(seed, copies):
    vector = unit(np.random.default_rng(seed).standard_normal((1, 16)))
    assert fuse(vector).tolist() == vector[0].tolist()
    np.testing.assert_allclose(fuse(np.repeat(vector, copies, axis=0)), vector[0], atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_two_samples_meet_in_the_middle_and_quality_pulls(seed):
    rng = np.random.default_rng(seed)
    two = unit(rng.standard_normal((2, 8)) + 1.0)
    np.testing.assert_allclose(fuse(two), unit(two.astype(np.float64).sum(axis=0)), atol=1e-6)
    pulled = fuse(two, np.array([3.0, 1.0]))
    np.testing.assert_allclose(pulled, unit(3 * two[0].astype(np.float64) + two[1]), atol=1e-6)
    np.testing.assert_allclose(fuse(two, np.array([1.0, 0.0])), two[0], atol=1e-6)
    np.testing.assert_allclose(fuse(two, np.zeros(2)), fuse(two), atol=1e-7)  # nothing to tell them apart


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=st.integers(3, 12), outliers=st.integers(1, 3))
def test_outliers_do_not_drag_the_mean(seed, count, outliers):
    """Photos of somebody else, up to a quarter: the template is the one without them."""
    rng = np.random.default_rng(seed)
    centre = unit(rng.standard_normal(512))
    samples = around(centre, 0.85, count, rng)  # to each other at 0.72
    outliers = min(outliers, max(1, count // 4))
    strangers = unit(rng.standard_normal((outliers, 512)))
    fused = fuse(np.concatenate([samples, strangers]))
    assert float(fused @ fuse(samples)) > 0.998
    dragged = unit(np.concatenate([samples, strangers]).sum(axis=0))
    assert float(fused @ centre) > float(dragged @ centre)


def test_copies_of_one_photo_do_not_throw_out_the_others():
    rng = np.random.default_rng(5)
    one, other = around(unit(rng.standard_normal(512)), 0.85, 2, rng)
    fused = fuse(np.stack([one, one, one, other]))
    assert float(fused @ other) > 0.8
    assert float(fused @ other) > float(one @ other)


@pytest.mark.parametrize("quality", [None, np.array([1.0, 1.0]), np.array([np.nan, np.nan])])
def test_antipodal_samples_give_one_of_them(quality):
    two = np.stack([vector_of("x"), -vector_of("x")])
    fused = fuse(two, quality)
    assert abs(float(fused @ two[0])) > 1 - 1e-6
    assert fuse(two[::-1].copy(), quality).tolist() == fused.tolist()
    better = fuse(two, np.array([1.0, 2.0]))
    np.testing.assert_allclose(better, two[1], atol=1e-6)


def test_nothing_cannot_be_fused():
    with pytest.raises(ValueError, match="no sample"):
        fuse(np.zeros((0, 8), np.float32))
    subjects, fused = fuse_groups(
        np.zeros((0, 8), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    )
    assert (subjects.shape, fused.shape) == ((0,), (0, 8))


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=st.integers(1, 40))
def test_a_subject_s_template_does_not_depend_on_what_else_is_fused(seed, count):
    rng = np.random.default_rng(seed)
    vectors, labels = unit(rng.standard_normal((count, 6))), rng.integers(0, 8, count)
    ids, quality = rng.permutation(count).astype(np.int64) + 100, rng.uniform(size=count)
    subjects, fused = fuse_groups(vectors, ids, labels, quality)
    assert subjects.tolist() == sorted(set(labels.tolist()))
    for subject, template in zip(subjects, fused, strict=True):
        mine = np.flatnonzero(labels == subject)
        mine = mine[np.argsort(ids[mine])]
        assert template.tolist() == fuse(vectors[mine], quality[mine]).tolist()


# --- the gallery ---------------------------------------------------------------------------------------------------


def fused_gallery(folder):
    return Gallery.open(folder, MODEL, DIMENSION, subject_score="fused")


def scores_of(gallery, vector, k=9):
    [found] = gallery.search(Templates(vector[None], np.ones(1, np.float32), MODEL), k)
    return dict(zip(found.subjects, found.scores.tolist(), strict=True))


def expected(people, vector):
    """Fused and compared by hand; people: name -> list of (key, quality)."""
    result = {}
    for name, samples in people.items():
        vectors = np.stack([vector_of(key) for key, _ in samples])
        quality = np.array([np.nan if q is None else q for _, q in samples])
        result[name] = float(fuse(vectors, quality).astype(np.float64) @ vector)
    return result


def test_a_search_by_fused_templates_follows_every_change(tmp_path):
    probe = vector_of("probe")
    with fused_gallery(tmp_path) as gallery, fused_gallery(tmp_path) as other:

        def agree(people):
            for one in (gallery, other):
                assert scores_of(one, probe) == pytest.approx(expected(people, probe), abs=1e-6)
            assert gallery.check() == []

        agree({})
        first = gallery.enrol("Ada", [sample_of("a", quality=0.9), sample_of("b", quality=0.2)])
        agree({"Ada": [("a", 0.9), ("b", 0.2)]})
        gallery.enrol_many([("Ada", sample_of("c")), ("Bob", sample_of("d")), ("Bob", sample_of("e", quality=0.5))])
        agree({"Ada": [("a", 0.9), ("b", 0.2), ("c", None)], "Bob": [("d", None), ("e", 0.5)]})
        gallery.remove_sample(first[0])
        agree({"Ada": [("b", 0.2), ("c", None)], "Bob": [("d", None), ("e", 0.5)]})
        gallery.rename("Bob", "Zoë")
        gallery.split([first[1]], "Cy")
        agree({"Ada": [("c", None)], "Cy": [("b", 0.2)], "Zoë": [("d", None), ("e", 0.5)]})
        gallery.merge("Ada", "Zoë")
        agree({"Cy": [("b", 0.2)], "Zoë": [("c", None), ("d", None), ("e", 0.5)]})
        gallery.backup(tmp_path / "backup")
        gallery.remove("Zoë")
        agree({"Cy": [("b", 0.2)]})
        Gallery.restore(tmp_path / "backup", tmp_path)
        agree({"Cy": [("b", 0.2)], "Zoë": [("c", None), ("d", None), ("e", 0.5)]})


def test_what_is_fused_is_in_no_file_and_both_kinds_share_one_gallery(tmp_path):
    gallery = fused_gallery(tmp_path / "g")
    gallery.enrol("Ada", [sample_of("a"), sample_of("b")])
    assert gallery.save_index()
    template = fuse(np.stack([vector_of("a"), vector_of("b")]))
    assert scores_of(gallery, template) == {"Ada": pytest.approx(1.0, abs=1e-6)}
    assert (gallery.stats()["index"]["subject_score"], gallery.stats()["index"]["vectors"]) == ("fused", 2)
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION) as best:  # the index file serves both
        assert scores_of(best, vector_of("a")) == {"Ada": pytest.approx(1.0, abs=1e-6)}
        assert best.stats()["index"]["saved_generation"] == best.generation
        best.enrol("Ada", [sample_of("c")])
    gallery.close()
    with fused_gallery(tmp_path / "g") as again:  # an older index file, followed to the present
        assert scores_of(again, vector_of("a")) == pytest.approx(
            expected({"Ada": [("a", None), ("b", None), ("c", None)]}, vector_of("a")), abs=1e-6
        )
        assert again.check() == []
    assert not [file for file in (tmp_path / "g").iterdir() if template.tobytes() in file.read_bytes()]


def test_check_finds_a_fused_template_that_is_not_its_samples(tmp_path):
    with fused_gallery(tmp_path) as gallery:
        gallery.enrol("Ada", [sample_of("a"), sample_of("b")])
        gallery.load()
        answers = gallery._index._mirror.answers
        answers.apply(vector_of("x")[None], np.array([1]), np.array([1]), np.array([1]))
        [problem] = gallery.check(repair=True)
        assert "other fused templates" in problem.message
        assert gallery.check() == []
        assert scores_of(gallery, vector_of("x")) == pytest.approx(
            expected({"Ada": [("a", None), ("b", None)]}, vector_of("x")), abs=1e-6
        )


def test_no_search_sees_half_of_a_change(tmp_path):
    """A pair is enrolled and removed together: a probe finds its fused template, or nobody."""
    pair = [sample_of("left"), sample_of("right")]
    template = fuse(np.stack([vector_of("left"), vector_of("right")]))
    errors, stop = [], threading.Event()
    with fused_gallery(tmp_path) as gallery:
        gallery.enrol("Bob", [sample_of("bob")])

        def look():
            while not stop.is_set():
                found = scores_of(gallery, template, 1)
                if not ("Bob" in found or found.get("Ada", 0) == pytest.approx(1.0, abs=1e-6)):
                    errors.append(found)

        readers = [threading.Thread(target=look) for _ in range(3)]
        for reader in readers:
            reader.start()
        try:
            for _ in range(25):
                gallery.enrol("Ada", pair)
                assert scores_of(gallery, template, 1) == {"Ada": pytest.approx(1.0, abs=1e-6)}
                gallery.remove("Ada")
                assert "Ada" not in scores_of(gallery, template)
        finally:
            stop.set()
            for reader in readers:
                reader.join()
        assert errors == []
        assert gallery.check() == []
