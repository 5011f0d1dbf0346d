"""A database that does things by itself, or holds what no gallery has written; an older one in its place."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of
from vault_samples import KEY, NAMES, fill, opened

from pipeline.errors import ConfigError, GalleryDamagedError, VaultError, VaultLockedError
from pipeline.gallery import Anchor, Gallery, KeyPlaces, Scribe
from pipeline.gallery.external import IndexLostError, read_mark
from pipeline.gallery.external_search import ExternalSearch
from pipeline.gallery.vault.master import write_file
from pipeline.gallery.vault.seen import Seen

KEEPS = "CREATE TRIGGER keep_{0} BEFORE DELETE ON {0} BEGIN SELECT RAISE(IGNORE); END"
HOARDS = "CREATE TRIGGER hoard BEFORE DELETE ON subjects BEGIN INSERT INTO meta SELECT * FROM meta WHERE 0; END"


def change(folder, *statements):
    with closing(sqlite3.connect(folder / "gallery.db")) as database, database:
        for statement in statements:
            database.execute(statement)


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("statement", [KEEPS.format("subjects"), KEEPS.format("templates"), HOARDS])
def test_nobody_is_erased_in_word_only(tmp_path, statement, encrypted):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        if encrypted:
            gallery.vault().init(KEY)
        assert gallery.check() == []
        change(tmp_path / "g", statement)
        (sample, *_) = gallery.subject(NAMES[1]).samples
        for act in (
            lambda: gallery.remove(NAMES[1]),
            lambda: gallery.erase(NAMES[1]),
            lambda: gallery.remove_sample(sample.id),
        ):
            with pytest.raises(GalleryDamagedError, match="that Knownface has not made, which could keep"):
                act()
        assert gallery.subject(NAMES[1]).info.samples == 3
        (problem,) = gallery.check()
        assert (problem.kind, "trigger" in problem.message) == ("foreign_program", True)
        assert "erase" not in [entry.action for entry in gallery.audit()]
        change(tmp_path / "g", "DROP TRIGGER " + statement.split()[2])
        gallery.erase(NAMES[1])
        assert gallery.check() == []


@pytest.mark.slow
@pytest.mark.parametrize("table", ["subjects", "samples", "templates"])
def test_a_server_that_keeps_what_is_removed(database, table):
    with Gallery.open(database, MODEL, DIMENSION) as gallery:
        fill(gallery)
        assert gallery.check() == []
        with gallery._truth.writing() as connection:
            connection.exec_driver_sql(
                "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
            )
            connection.exec_driver_sql(
                f"CREATE TRIGGER keep BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep()"
            )
        said = f"keeps what is removed from its table {table}; nothing was removed from the gallery"
        with pytest.raises(GalleryDamagedError, match=said):
            gallery.erase(NAMES[1])
        assert gallery.subject(NAMES[1]).info.samples == 3
        assert [problem.message.split(" that ")[0] for problem in gallery.check()] == [
            f"the database has a trigger 'keep' of {table}"
        ]


@pytest.mark.parametrize("table", ["subjects", "consent"])
@pytest.mark.parametrize("us", [2**63 - 1, -1])
def test_a_time_that_no_calendar_has(tmp_path, table, us):
    column = {"subjects": "created_us", "consent": "expires_us"}[table]
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        change(tmp_path / "g", f"UPDATE {table} SET {column} = {us} WHERE id = 2")  # noqa: S608 - a constant of this test
        (problem,) = gallery.check()
        assert (problem.kind, f"row 2 of {table} holds what cannot be its {column}" in problem.message) == (
            "bad_value",
            True,
        )
        gallery.backup(tmp_path / "b")
    with pytest.raises(GalleryDamagedError, match=f"row 2 of {table}"):
        Gallery.restore(tmp_path / "b", tmp_path / "h")


def test_an_older_copy_of_the_gallery_is_told_of(tmp_path, caplog):
    folder, scribe = tmp_path / "g", Scribe("me", Anchor(tmp_path / "home"))
    with opened(folder, scribe=scribe) as gallery:
        fill(gallery)
    shutil.copytree(folder, tmp_path / "old")
    with opened(folder, scribe=scribe) as gallery:
        gallery.erase(NAMES[1])
        assert (gallery.check(), caplog.messages) == ([], [])
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    with opened(folder, scribe=Scribe("me", Anchor(tmp_path / "home"))) as gallery:
        (problem,) = gallery.check()
        assert problem.kind == "older_than_seen"
        assert "who was erased since may be in it again" in problem.message
        with caplog.at_level(logging.WARNING):
            gallery.record("first")
            gallery.record("second")
        (said,) = caplog.messages
        assert "is an older copy of the gallery, or another one" in said
        gallery.accept_audit()
        assert gallery.check() == []


def test_a_backup_in_the_open_does_not_open_an_encrypted_gallery(tmp_path):
    scribe = Scribe("me", Anchor(tmp_path / "home"))
    with opened(tmp_path / "g", scribe=scribe) as gallery:
        fill(gallery)
        gallery.release(NAMES[0])
        gallery.backup(tmp_path / "plain")
        gallery.vault().init(KEY)
        gallery.backup(tmp_path / "closed")
    Gallery.restore(tmp_path / "closed", tmp_path / "g", scribe)
    with pytest.raises(VaultError, match=r"plain: is not encrypted, and the gallery .* would stand in the open"):
        Gallery.restore(tmp_path / "plain", tmp_path / "g", scribe)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["closed", "g", "home", "plain"]
    change(tmp_path / "g", "DELETE FROM vault")  # only the note is left to say it
    Seen(tmp_path / "home" / "audit").note(str(tmp_path / "g"), "x")
    with pytest.raises(VaultError):
        Gallery.restore(tmp_path / "plain", tmp_path / "g", scribe)
    Gallery.restore(tmp_path / "plain", tmp_path / "g", scribe, in_the_open=True)
    with opened(tmp_path / "g") as gallery:
        assert [info.name for info in gallery.subjects()] == sorted(NAMES, key=str.casefold)


class Liar:
    """An engine elsewhere that has as many candidates as one asks for, and none that the truth knows."""

    label, dimension, limit = "the engine", DIMENSION, 1 << 40

    def __init__(self, score):
        self.now, self.score, self.most = None, score, 0

    def at(self):
        return self.now

    def mark(self, at):
        self.now = at

    def clear(self):
        pass

    def put(self, vectors, ids):
        pass

    def nearest(self, queries, count):
        self.most = max(self.most, count)
        assert count < 10_000
        return [(np.arange(10**6, 10**6 + count), np.full(count, self.score, np.float32)) for _ in queries]


@pytest.mark.parametrize("score", [1.0, float("nan")])
def test_an_engine_that_never_ends(tmp_path, score):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        engine = Liar(score)
        with pytest.raises(IndexLostError, match="look after the engine"):
            ExternalSearch(gallery._truth, MODEL, engine).search(probe_of("x").vectors, 2)
        assert engine.most > 3 * len(NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"at": 3, "method": "exact"}',
        '{"at": ["g", 1, 2, "3"], "method": "exact"}',
        "[" * 100_000,
        "9" * 5000,
    ],
)
def test_a_mark_that_we_have_not_written(text):
    assert read_mark(text, "exact") is None


@pytest.mark.skipif(os.name != "posix", reason="no named pipes")
def test_pipes_beside_the_log_are_not_waited_for(tmp_path):
    anchor = Anchor(tmp_path / "home")
    with opened(tmp_path / "g", scribe=Scribe("me", anchor)) as gallery:
        gallery.record("first")
        note = anchor.note_file(str(tmp_path / "g"))
        note.unlink()
        os.mkfifo(note)
        gallery.record("second")
        assert note.is_file(), "it is written anew"
        anchor.folder.joinpath("trusted").mkdir(mode=0o700)
        os.mkfifo(anchor.folder / "trusted" / "x.pem", 0o600)
        with pytest.raises(ConfigError, match=r"x\.pem: is no file"):
            gallery.verify_audit()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_somebody_else_is_refused(tmp_path):
    file = tmp_path / "key"
    write_file(file, KEY, away_from=None)
    assert KeyPlaces(file=file).find(None) == KEY
    os.chown(file, 65534, 65534)
    with pytest.raises(VaultLockedError, match="and see that it is yours"):
        KeyPlaces(file=file).find(None)


def test_a_sample_is_still_removed_where_nothing_is_wrong(tmp_path):
    with opened(tmp_path / "g") as gallery:
        gallery.enrol("Ada", [sample_of("a"), sample_of("b")])
        for sample in gallery.subject("Ada").samples:
            gallery.remove_sample(sample.id)
        assert len(gallery) == 0
