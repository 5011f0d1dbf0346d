"""Deleting really deletes: no file of the gallery holds a removed vector, name or crop."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of, vector_of

from pipeline.gallery.gallery import Gallery

CROP = b"\x89PNG of the aligned face " * 300


def traces(folder, needles):
    """Which needles occur in which file, looked for in pieces of 16 bytes."""
    found = []
    for file in folder.iterdir():
        data = file.read_bytes()
        for name, needle in needles.items():
            step = max(16, len(needle) // 8)
            pieces = [needle[i : i + 16] for i in range(0, max(1, len(needle) - 15), step)]
            if any(piece in data for piece in pieces):
                found.append((file.name, name))
    return found


def needles_of(*keys, dimension=DIMENSION):
    return {key: vector_of(key, dimension).astype("<f4").tobytes() for key in keys}


@pytest.mark.parametrize("how", ["remove", "remove_sample"])
def test_a_removed_template_is_in_no_file(tmp_path, how):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(20)])
        [uid] = gallery.enrol("Xanthippe Zwetschkenbaum", [sample_of("gone", crop=CROP)])
        gallery.search(probe_of("gone"))
        gallery.save_index()
        needles = {**needles_of("gone"), "name": b"Xanthippe Zwetschkenbaum", "crop": CROP[:64]}
        assert {name for _, name in traces(tmp_path, needles)} == set(needles)
        gallery.remove("Xanthippe Zwetschkenbaum") if how == "remove" else gallery.remove_sample(uid)
        assert traces(tmp_path, needles) == []
        gallery.save_index()
        assert traces(tmp_path, needles) == []
        assert len(traces(tmp_path, needles_of(3))) == 2  # the others are still there
    assert traces(tmp_path, needles) == []


def test_other_processes_erase_too(tmp_path):
    """One gallery saved the index, another removes, a third has it open."""
    with Gallery.open(tmp_path, MODEL, DIMENSION) as one, Gallery.open(tmp_path, MODEL, DIMENSION) as two:
        one.enrol_many([(f"s{n}", sample_of(n)) for n in range(20)])
        one.save_index()
        two.search(probe_of(5))
        one.remove("s5")
        assert traces(tmp_path, needles_of(5)) == []
        assert two.search(probe_of(5))[0].subjects[0] != "s5"
        two.save_index()
        assert traces(tmp_path, needles_of(5)) == []


@pytest.mark.parametrize("dimension", [32, 512])
def test_removals_among_many_leave_nothing(tmp_path, dimension):
    """Pages are split and joined as rows come and go; no copy of a removed vector may stay behind in their gaps."""
    rng = np.random.default_rng(0)
    with Gallery.open(tmp_path, MODEL, dimension) as gallery:
        gallery.enrol_many([(f"s{n}", sample_of(n, dimension)) for n in range(400)])
        gone = rng.permutation(400)[:330].tolist()
        for n in gone[:300]:
            gallery.remove(f"s{n}")
        gallery.enrol_many([(f"t{n}", sample_of(1000 + n, dimension)) for n in range(50)])
        for n in gone[300:]:
            gallery.remove(f"s{n}")
        assert traces(tmp_path, needles_of(*gone, dimension=dimension)) == []
        assert gallery.check() == []


def test_a_reader_in_the_way_delays_the_erasure_but_not_for_good(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.gallery.engine.BUSY_TIMEOUT_S", 0.05)
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol("gone", [sample_of("gone")])
        gallery.enrol("kept", [sample_of("kept")])
        with gallery._truth.reading() as connection:
            connection.exec_driver_sql("SELECT * FROM meta").all()
            gallery.remove("gone")
            assert gallery.stats()["erasure_pending"]
        gallery.enrol("kept", [sample_of("more")])
        assert not gallery.stats()["erasure_pending"]
        assert traces(tmp_path, needles_of("gone")) == []


@pytest.mark.parametrize("then", ["nothing", "document", "enrolment"])
def test_who_opens_next_finishes_what_a_killed_remover_began(tmp_path, monkeypatch, then):
    """The remover dies before it erases, another gallery is open and may write: that hides nothing."""
    name = b"Xanthippe Zwetschkenbaum"
    needles = {**needles_of("gone"), "name": name}
    other = Gallery.open(tmp_path, MODEL, DIMENSION)
    other.enrol_many([("kept", sample_of("kept")), (name.decode(), sample_of("gone"))])
    other.save_index()
    with monkeypatch.context() as killed:
        killed.setattr("pipeline.gallery.truth.Truth.erase", lambda _: None)
        with Gallery.open(tmp_path, MODEL, DIMENSION) as remover:
            remover.remove(name.decode())
        if then == "document":
            other.put_document("operating_points", {"points": []})
        elif then == "enrolment":
            other.enrol("new", [sample_of("new")])
    assert traces(tmp_path, needles)
    with Gallery.open(tmp_path, MODEL, DIMENSION):
        assert traces(tmp_path, needles) == [], "with the other still open, and its write-ahead log in use"
    other.close()
    with Gallery.open(tmp_path, MODEL, DIMENSION) as third:
        assert third.check() == []


def test_the_saved_index_of_a_killed_remover_goes_without_a_write_ahead_log_too(tmp_path, monkeypatch):
    with monkeypatch.context() as killed, Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol_many([("kept", sample_of("kept")), ("gone", sample_of("gone"))])
        gallery.save_index()
        killed.setattr("pipeline.gallery.truth.Truth.erase", lambda _: None)
        gallery.remove("gone")
    assert [file for file, _ in traces(tmp_path, needles_of("gone"))] == [next(tmp_path.glob("*.kfi")).name]
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert traces(tmp_path, needles_of("gone")) == []
        gallery.save_index()
    with Gallery.open(tmp_path, MODEL, DIMENSION):
        assert list(tmp_path.glob("*.kfi")), "an index saved since is kept"


def test_an_old_name_leaves_the_saved_index(tmp_path):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol("Xanthippe Zwetschkenbaum", [sample_of(1)])
        gallery.save_index()
        gallery.rename("Xanthippe Zwetschkenbaum", "X")
        assert traces(tmp_path, {"name": b"Xanthippe Zwetschkenbaum"}) == []


def test_who_opens_a_gallery_waits_for_no_reader(tmp_path, monkeypatch):
    """The erasure that a killed process left is put off while somebody reads; nobody waits for that to open."""
    other = Gallery.open(tmp_path, MODEL, DIMENSION)
    other.enrol_many([("kept", sample_of("kept")), ("gone", sample_of("gone"))])
    started, opened = threading.Event(), threading.Event()

    def read():
        with other._truth.reading() as connection:
            connection.exec_driver_sql("SELECT * FROM meta").all()
            started.set()
            opened.wait(120)

    with monkeypatch.context() as killed:
        killed.setattr("pipeline.gallery.truth.Truth.erase", lambda _: None)
        reader = threading.Thread(target=read)
        reader.start()
        assert started.wait(120)
        other.remove("gone")
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert gallery.stats()["erasure_pending"], "the reader was waited for"
        opened.set()
        reader.join()
        gallery.enrol("new", [sample_of("new")])
        assert not gallery.stats()["erasure_pending"]
        assert traces(tmp_path, needles_of("gone")) == []
    other.close()
