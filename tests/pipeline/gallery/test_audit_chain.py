"""The chain of the audit log under one-byte changes, kills and several writers at once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from gallery_samples import DIMENSION, MODEL, sample_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.gallery import Anchor, Gallery, Scribe
from pipeline.gallery.anchor import key_id_of, read_public
from pipeline.gallery.schema import audit, audit_head

FIELDS = [(audit.name, column.name) for column in audit.c]
FIELDS += [(audit_head.name, column.name) for column in audit_head.c if column.name != "id"]

WRITER = f"""
import sys
from pathlib import Path
from pipeline.gallery import Anchor, Gallery, Scribe
folder, home, name, count = sys.argv[1:]
with Gallery.open(folder, {MODEL!r}, {DIMENSION}, scribe=Scribe(name, Anchor(Path(home)))) as gallery:
    for number in range(int(count)):
        gallery.record("login", f"user:{{number}}")
        print(number, flush=True)
"""


def opened(folder, home, actor="ada"):
    return Gallery.open(folder, MODEL, DIMENSION, scribe=Scribe(actor, Anchor(home)))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A gallery with a log of six entries, its home, and a place to try things."""
    base = tmp_path_factory.mktemp("chain")
    with opened(base / "g", base / "home") as gallery:
        gallery.enrol("Ada", [sample_of(1)])
        for number in range(4):
            gallery.record("login", f"user:{number}", {"né": number})
        assert gallery.verify_audit().findings == ()
    return base


def changed(folder, table, column, row, at, mask):
    """Changes one byte of a stored value; returns whether that made it another value."""
    with closing(sqlite3.connect(folder / "gallery.db", isolation_level=None)) as database:
        database.executescript("DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete;")
        query = f"SELECT CAST({column} AS BLOB), typeof({column}) FROM {table} WHERE id = ?"  # noqa: S608
        value, kind = database.execute(query, (row,)).fetchone()
        other = bytearray(value)
        if not other:
            return False
        other[at % len(other)] ^= mask
        if kind == "integer" and (not bytes(other).isdigit() or int(other) == int(value)):
            return False
        cast = "INTEGER" if kind == "integer" else "TEXT"
        change = f"UPDATE {table} SET {column} = CAST(? AS {cast}) WHERE id = ?"  # noqa: S608
        try:
            database.execute(change, (bytes(other), row))
        except sqlite3.IntegrityError:  # the number of another entry
            return False
    return True


@settings(max_examples=100)
@given(
    field=st.sampled_from(FIELDS),
    row=st.integers(1, 6),
    at=st.integers(0, 200),
    mask=st.integers(1, 255),
)
def test_any_changed_byte_is_found(world, field, row, at, mask):
    place = world / "g"  # the note in the data folder is about this place
    whole = (place / "gallery.db").read_bytes()
    table, column = field
    try:
        if changed(place, table, column, 1 if table == audit_head.name else row, at, mask):
            with opened(place, world / "home") as gallery:
                assert gallery.verify_audit().findings, field
    finally:
        for suffix in ("-wal", "-shm"):
            (place / f"gallery.db{suffix}").unlink(missing_ok=True)
        (place / "gallery.db").write_bytes(whole)


def test_the_change_is_found_without_key_and_note_too(world, tmp_path):
    """An auditor has the file and the public key, nothing else."""
    shutil.copytree(world / "g", tmp_path / "g")
    pem = tmp_path / "key.pem"
    pem.write_text(Anchor(world / "home").public_pem(), encoding="utf-8")
    public = (key_id_of(read_public(pem)), read_public(pem))
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION) as gallery:
        assert gallery.verify_audit(public).findings == ()
        assert gallery.verify_audit().findings, "without any key nobody vouches for it"
    assert changed(tmp_path / "g", "audit", "actor", 3, 0, 1)
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION) as gallery:
        [finding] = gallery.verify_audit(public).findings
        assert (finding.kind, finding.entry) == ("entry_changed", 3)


def test_another_key_does_not_count(world, tmp_path):
    with Gallery.open(world / "g", MODEL, DIMENSION) as gallery:
        other = Anchor(tmp_path / "other")
        pem = tmp_path / "other.pem"
        pem.write_text(other.public_pem(), encoding="utf-8")
        [finding] = gallery.verify_audit((key_id_of(read_public(pem)), read_public(pem))).findings
        assert finding.kind == "not_signed"
    pem.write_text("no key", encoding="utf-8")
    with pytest.raises(ConfigError, match="no public key"):
        read_public(pem)


def test_a_trusted_key_of_another_machine_counts(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for home, other in ((one, two), (two, one)):
        folder = other / "audit" / "trusted"
        folder.mkdir(parents=True)
        (folder / "peer.pem").write_text(Anchor(home).public_pem(), encoding="utf-8")
    for home in (one, two, one):
        with opened(tmp_path / "g", home) as gallery:
            gallery.record("login")
            assert gallery.verify_audit().findings == ()


def test_a_kill_leaves_a_whole_log_with_everything_that_was_acknowledged(tmp_path):
    folder, home, acknowledged = tmp_path / "g", tmp_path / "home", 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(home), "killed", "100000"], stdout=subprocess.PIPE
        ) as writer:
            for _ in range(7):
                assert writer.stdout.readline()
                acknowledged += 1
            writer.kill()
        with opened(folder, home) as gallery:
            verdict = gallery.verify_audit()
            assert verdict.findings == ()
            assert verdict.entries >= acknowledged + 1
            gallery.record("login")
            assert gallery.verify_audit().findings == ()
            acknowledged += 1


@pytest.mark.parametrize("where", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_several_processes_append_to_one_chain(request, tmp_path, where):
    folder = str(tmp_path / "g") if where == "sqlite" else request.getfixturevalue("database")
    opened(folder, tmp_path / "home").close()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, folder, str(tmp_path / "home"), f"w{n}", "15"], stdout=subprocess.DEVNULL
        )
        for n in range(3)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with opened(folder, tmp_path / "home") as gallery:
        verdict = gallery.verify_audit()
        assert (verdict.findings, verdict.entries) == ((), 46)
        assert {entry.actor for entry in gallery.audit(action="login")} == {"w0", "w1", "w2"}
