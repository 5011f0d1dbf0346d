"""The index on disk is derived: whatever is wrong with it, the answers come from the truth."""

from __future__ import annotations

import logging
import shutil
import sqlite3

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.gallery import live, snapshot
from pipeline.gallery.gallery import Gallery


def fill(folder, people=range(30)):
    with Gallery.open(folder, MODEL, DIMENSION) as gallery:
        gallery.enrol_many([(f"subject {n}", sample_of(n)) for n in people])
        assert gallery.save_index()
    [file] = folder.glob("index-*.kfi")
    return file


def answers(folder, *keys, model_id=MODEL):
    with Gallery.open(folder, model_id, DIMENSION) as gallery:
        return [found.subjects[0] for found in gallery.search(probe_of(*keys))]


def test_a_saved_index_is_used(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr("pipeline.gallery.mirror.Mirror.rebuild", lambda *_: pytest.fail("rebuilt"))
    assert answers(tmp_path, 3, 29) == ["subject 3", "subject 29"]


def test_what_came_after_saving_is_added(tmp_path, monkeypatch):
    file = fill(tmp_path)
    before = file.read_bytes()
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol("late", [sample_of("late")])
    assert file.read_bytes() == before
    monkeypatch.setattr("pipeline.gallery.mirror.Mirror.rebuild", lambda *_: pytest.fail("rebuilt"))
    assert answers(tmp_path, "late", 3) == ["late", "subject 3"]


def test_closing_saves_a_large_index(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "SAVE_FROM", 10)
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(12)])
        gallery.search(probe_of(0))
    assert len(list(tmp_path.glob("*.kfi"))) == 1
    assert not list(tmp_path.glob("*.tmp"))


def damage_torn(data):
    return data[: len(data) * 2 // 3]


def damage_flip(data):
    """One payload bit: raw FAISS loads such a file and says nothing."""
    middle = 8192 + 100
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def damage_header(data):
    return data[:60] + b"#" + data[61:]


@pytest.mark.parametrize(
    "damage",
    [
        damage_torn,
        damage_flip,
        damage_header,
        lambda _: b"",
        lambda _: b"no index at all",
        lambda data: b"\0" * len(data),
    ],
    ids=["torn", "flipped bit", "header", "empty", "something else", "zeros"],
)
def test_a_damaged_index_is_named_thrown_away_and_rebuilt(tmp_path, damage, caplog):
    file = fill(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        [problem] = gallery.check()
        assert problem.kind == "index_damaged"
        with caplog.at_level(logging.WARNING):
            assert gallery.search(probe_of(7))[0].subjects[0] == "subject 7"
        assert "cannot be used" in caplog.text
        assert not file.exists()
        assert gallery.check() == []


def test_every_flipped_byte_is_noticed(tmp_path):
    file = fill(tmp_path)
    data = file.read_bytes()
    with sqlite3.connect(tmp_path / "gallery.db") as database:
        truth = snapshot.Meta(*database.execute("SELECT gallery_id, generation, removal, horizon FROM meta").fetchone())
    database.close()
    assert len(snapshot.load(file, MODEL, DIMENSION, truth).segments[0]) == 30
    rng = np.random.default_rng(0)
    header = int.from_bytes(data[8:16], "little") + 48
    payload = rng.integers(8192, len(data) - 1, 60)
    for at in [*rng.integers(0, header, 60).tolist(), *payload.tolist()]:
        if data[at] == 0 and at >= header:
            continue  # may be padding between sections
        file.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        with pytest.raises(snapshot.SnapshotError):
            snapshot.load(file, MODEL, DIMENSION, truth)


def test_a_foreign_index_is_not_used(tmp_path):
    mine, other = tmp_path / "mine", tmp_path / "other"
    file = fill(mine)
    foreign = fill(other, range(100, 130))
    shutil.copy(foreign, file)
    with Gallery.open(mine, MODEL, DIMENSION) as gallery:
        assert "another gallery" in gallery.check()[0].message
    assert answers(mine, 3) == ["subject 3"]
    shutil.copy(fill(other, range(200, 210)), snapshot.file_for(mine, "else@1"))
    assert answers(mine, 3, model_id=MODEL) == ["subject 3"]


def test_an_index_of_another_model_is_not_used(tmp_path):
    file = fill(tmp_path)
    shutil.copy(file, snapshot.file_for(tmp_path, "else@1"))
    with Gallery.open(tmp_path, "else@1", DIMENSION) as gallery:
        assert gallery.search(probe_of(3, model_id="else@1"))[0].subjects == ()


def test_an_index_ahead_of_the_truth_is_not_used(tmp_path):
    """A database put back by hand: the index knows people whom the truth does not."""
    fill(tmp_path, range(10))
    old = (tmp_path / "gallery.db").read_bytes()
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol("late", [sample_of("late")])
        gallery.save_index()
    (tmp_path / "gallery.db").write_bytes(old)
    assert answers(tmp_path, "late") != ["late"]


def test_a_lying_index_is_found_and_repaired(tmp_path):
    """A file that is whole but holds something else than the truth at its generation."""
    file = fill(tmp_path)
    with sqlite3.connect(tmp_path / "gallery.db") as database:
        database.execute("UPDATE samples SET subject_id = 1")  # behind the gallery's back: no new generation
    database.close()
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert gallery.search(probe_of(9))[0].subjects[0] == "subject 9"
        assert [problem.kind for problem in gallery.check()] == ["index_disagrees", "index_disagrees"]
        assert all(problem.repaired for problem in gallery.check(repair=True))
        assert gallery.search(probe_of(9))[0].subjects == ("subject 0",)
        assert not file.exists()
        assert gallery.check() == []


def test_leftovers_of_killed_writers_go(tmp_path):
    fill(tmp_path)
    (tmp_path / "index-0123.kfi.77.tmp").write_bytes(b"half an index")
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert [problem.kind for problem in gallery.check()] == ["orphan_file"]
        gallery.search(probe_of(1))
        assert not list(tmp_path.glob("*.tmp"))
        assert gallery.check() == []


def test_saving_keeps_dead_rows_out_and_later_ones_in(tmp_path, monkeypatch):
    fill(tmp_path)
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.search(probe_of(1))
        gallery.remove("subject 4")
        gallery.enrol("late", [sample_of("late")])
        assert gallery.save_index()
    monkeypatch.setattr("pipeline.gallery.mirror.Mirror.rebuild", lambda *_: pytest.fail("rebuilt"))
    found = answers(tmp_path, "late", 3, 4)
    assert found[:2] == ["late", "subject 3"]
    assert found[2] != "subject 4"


def test_an_empty_index_can_be_saved(tmp_path):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert gallery.save_index()
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert gallery.search(probe_of(1))[0].subjects == ()
        assert gallery.check() == []
