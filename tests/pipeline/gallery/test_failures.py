"""Read-only folders and full disks: a named error, the gallery as before."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.errors import GalleryError
from pipeline.gallery.engine_errors import named_errors
from pipeline.gallery.gallery import Gallery

HERE = Path(__file__).parent

FILL = """
import resource, signal, sys
sys.path.insert(0, {here!r})
from gallery_samples import DIMENSION, MODEL, sample_of
from pipeline.errors import GalleryError
from pipeline.gallery.gallery import Gallery
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Gallery.open({folder!r}, MODEL, DIMENSION) as gallery:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))  # no file may grow beyond
    number = 0
    try:
        while True:
            gallery.enrol_many([(f"new {{number}}", sample_of(number, crop=bytes(400_000)))])
            number += 1
    except GalleryError as error:
        print(number, error.code, error.message, flush=True)
    print([info.name for info in gallery.subjects(search="old")], len(gallery), flush=True)
"""


def test_a_disk_that_takes_no_more(tmp_path):
    """A limit on the size of files stands for the full disk: what does not fit is refused whole."""
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol("old", [sample_of("old")])
    program = FILL.format(here=str(HERE), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    enrolled, code, message = first.split(" ", 2)
    assert "the disk is full" in message
    assert code == "gallery_error"
    assert int(enrolled) >= 1
    assert second == f"['old'] {int(enrolled) + 1}"
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        assert gallery.check() == []
        assert len(gallery) == int(enrolled) + 1
        assert gallery.search(probe_of("old"))[0].subjects[0] == "old"
        gallery.enrol("later", [sample_of("later")])


def test_a_database_that_may_not_be_written(tmp_path, monkeypatch):
    """SQLite's own refusal, which root meets as well."""
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        with gallery._truth.reading() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(GalleryError, match="read-only"):
            gallery.enrol("Bob", [sample_of("bob")])
        assert len(gallery) == 1


def test_an_index_that_cannot_be_saved_is_no_error(tmp_path, monkeypatch, caplog):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        monkeypatch.setattr("pipeline.gallery.snapshot.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
        assert not gallery.save_index()
        monkeypatch.undo()
        assert not list(tmp_path.glob("*.kfi"))
        assert not list(tmp_path.glob("*.tmp"))
        assert gallery.search(probe_of("ada"))[0].subjects == ("Ada",)
        assert "not saved" in caplog.text


@pytest.mark.parametrize(
    ("location", "what"),
    [
        ("foo://x", "no database called foo"),
        ("postgresql://u:secret@h/db?password=secret", r"pip install 'knownface\[postgres\]'"),
        ("postgresql://u@h/db?passwd=secret&sslkey=secret&host=h2", r"host=h2.*pip install"),
        ("postgresql+psycopg2://u@h/db", "pip install 'psycopg2-binary'"),
        ("mysql://u:secret@h/db", "pip install 'mysqlclient'"),
        ("postgresql://h:notaport/db", "cannot be read"),
        ("a\0b", "NUL"),
        (Path("a\0b"), "NUL"),
    ],
)
def test_a_location_that_cannot_be_one(location, what, monkeypatch):
    for driver in ("psycopg", "psycopg2", "MySQLdb"):  # as where it is not installed
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(GalleryError, match=what) as raised:
        Gallery.open(location, MODEL, DIMENSION)
    assert len(raised.value.message.splitlines()) == 1
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("code", "free", "full"),
    [
        ("SQLITE_FULL", 1 << 40, True),
        ("SQLITE_IOERR_SHMSIZE", 1 << 40, True),
        ("SQLITE_IOERR_WRITE", 1 << 40, True),
        ("SQLITE_IOERR_FSYNC", 0, True),
        ("SQLITE_IOERR_FSYNC", 1 << 40, False),
        ("SQLITE_CANTOPEN", 0, True),
        ("SQLITE_CANTOPEN", 1 << 40, False),
    ],
)
def test_a_full_disk_has_many_names(tmp_path, monkeypatch, code, free, full):
    """SQLite says "disk I/O error" or "unable to open" for much of what a full file system refuses."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = getattr(sqlite3, code)
    monkeypatch.setattr(
        "pipeline.gallery.engine_errors.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, free)
    )
    with pytest.raises(GalleryError) as raised, named_errors(str(tmp_path / "not there yet")):
        raise error
    assert ("the disk is full" in raised.value.message) == full
