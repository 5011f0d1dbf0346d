"""A gallery that may not be written answers every question, changes nothing, and refuses a change with one error."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.errors import GalleryBusyError, GalleryError
from pipeline.gallery.gallery import Gallery
from tests.confined import may_mount, weak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="capabilities and mounts are Linux's")
HERE = Path(__file__).parent
ROOT = HERE.parents[2]

ASK = """
import json, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of
from pipeline.errors import GalleryError
from pipeline.gallery.gallery import Gallery
from tests.confined import read_only
folder, backup, way = map(str, sys.argv[1:])
if way == "mount":
    read_only(Path(folder))
try:
    (Path(folder) / "probe").touch()
    sys.exit("the folder can be written: this tests nothing")
except OSError:
    pass
told, refused = {{}}, {{}}
with Gallery.open(folder, MODEL, DIMENSION) as gallery:
    told["search"] = [found.subjects[0] for found in gallery.search(probe_of("ada", "bob"), k=1)]
    told["subjects"] = [info.name for info in gallery.subjects()]
    told["samples"] = gallery.subject("Ada").info.samples
    told["exported"] = gallery.export("Ada")["subject"]
    told["stats"] = gallery.stats()["subjects"]
    told["problems"] = [problem.message for problem in gallery.check()]
    told["document"] = gallery.document("index")
    told["saved"] = gallery.save_index()
    gallery.backup(backup)
    changes = {{
        "enrol": lambda: gallery.enrol("Eve", [sample_of("eve")]),
        "remove": lambda: gallery.remove("Ada"),
        "rename": lambda: gallery.rename("Ada", "Eve"),
        "put": lambda: gallery.put_document("index", {{}}),
        "repair": lambda: gallery.check(repair=True),
        "compact": gallery.compact,
        "restore": lambda: gallery.restore(backup, folder),
    }}
    for name, change in changes.items():
        try:
            change()
        except GalleryError as error:
            refused[name] = error.message
    told["after"] = [found.subjects[0] for found in gallery.search(probe_of("ada", "bob"), k=1)]
print(json.dumps([told, refused]))
"""


@pytest.fixture(params=["mode", "mount"])
def way(request):
    """How the folder is made read-only; as a mount only where this process may mount."""
    if request.param == "mount" and not may_mount():
        pytest.skip("mounting needs CAP_SYS_ADMIN; the same is tested by file modes")
    return request.param


@pytest.fixture
def folder(tmp_path):
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada"), sample_of("ada 2")])
        gallery.enrol("Bob", [sample_of("bob")])
        gallery.put_document("index", {"a": 1})
        gallery.save_index()
    yield tmp_path / "g"
    writable(tmp_path / "g")


def closed(folder):
    for file in folder.iterdir():
        file.chmod(0o400)
    folder.chmod(0o500)


def writable(folder):
    folder.chmod(0o700)
    for file in folder.iterdir():
        file.chmod(0o600)


def ask(folder, way):
    """What a process that may not write is told, and what it is refused."""
    if way == "mode":
        closed(folder)
    program = ASK.format(root=str(ROOT), here=str(HERE))
    backup = folder.parent / "backup.db"
    backup.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(backup), way],
        preexec_fn=weak if way == "mode" else None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


def assert_told(told):
    assert told == {
        "search": ["Ada", "Bob"],
        "subjects": ["Ada", "Bob"],
        "samples": 2,
        "exported": "Ada",
        "stats": 2,
        "problems": [],
        "document": {"a": 1},
        "saved": False,
        "after": ["Ada", "Bob"],
    }


def assert_refused(refused, folder):
    assert refused.keys() == {"enrol", "remove", "rename", "put", "repair", "compact", "restore"}
    for message in refused.values():
        assert message.startswith(f"{folder}: ")
        assert "read-only" in message
        assert len(message.splitlines()) == 1


def test_a_closed_gallery_answers_and_stays_as_it_is(folder, way):
    before = contents(folder)
    told, refused = ask(folder, way)
    assert_told(told)
    assert_refused(refused, folder)
    assert contents(folder) == before
    with Gallery.open(folder.parent / "copy", MODEL, DIMENSION):
        pass
    Gallery.restore(folder.parent / "backup.db", folder.parent / "copy")
    with Gallery.open(folder.parent / "copy", MODEL, DIMENSION) as copy:
        assert [info.name for info in copy.subjects()] == ["Ada", "Bob"]


def test_a_gallery_that_another_process_writes_is_read_as_it_is_now(folder, way):
    """Its owner has it open; what stands only in the log is found too."""
    owner = Gallery.open(folder, MODEL, DIMENSION)
    owner.enrol("Ada", [sample_of("ada 3")])
    owner.remove_sample(owner.subject("Ada").samples[-1].id)
    owner.rename("Bob", "Robert")
    owner.rename("Robert", "Bob")
    assert (folder / "gallery.db-wal").stat().st_size >= 0
    told, refused = ask(folder, way)
    assert_told(told)
    assert_refused(refused, folder)
    writable(folder)
    owner.enrol("Cy", [sample_of("cy")])
    assert (folder / "gallery.db-wal").stat().st_size > 0  # only there
    told, _ = ask(folder, way)
    assert told["subjects"] == ["Ada", "Bob", "Cy"]
    writable(folder)
    owner.close()


def test_a_log_that_was_left_behind_is_named(folder, tmp_path):
    with Gallery.open(folder, MODEL, DIMENSION) as owner:
        owner.enrol("Cy", [sample_of("cy")])
        (tmp_path / "killed").mkdir()
        for name in ("gallery.db", "gallery.db-wal"):
            (tmp_path / "killed" / name).write_bytes((folder / name).read_bytes())
    closed(tmp_path / "killed")
    program = ASK.format(root=str(ROOT), here=str(HERE))
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "killed"), "-", "mode"],
        preexec_fn=weak,
        capture_output=True,
        text=True,
        check=False,
    )
    writable(tmp_path / "killed")
    assert "read-only, and a process that was killed has left changes in gallery.db-wal" in done.stderr
    with Gallery.open(tmp_path / "killed", MODEL, DIMENSION) as mended:
        assert [info.name for info in mended.subjects()] == ["Ada", "Bob", "Cy"]


@pytest.fixture
def refuse_writing(monkeypatch):
    """In this process: the folder counts as one that may not be written."""
    monkeypatch.setattr("pipeline.gallery.read_only.os.access", lambda *_, **__: False)
    return monkeypatch


def test_a_gallery_of_an_older_schema_says_that_it_must_be_upgraded(folder, refuse_writing):
    with sqlite3.connect(folder / "gallery.db") as database:
        database.executescript("DROP TABLE documents; UPDATE alembic_version SET version_num = '0001'")
    database.close()
    before = contents(folder)
    with pytest.raises(GalleryError, match=r"read-only, but has the older schema 0001; this version needs"):
        Gallery.open(folder, MODEL, DIMENSION)
    assert contents(folder) == before


def test_a_change_under_the_reader_s_hands_is_an_error_and_no_answer(folder, refuse_writing):
    """No lock protects who may make none: what was read of two states is thrown away."""
    with Gallery.open(folder, MODEL, DIMENSION) as reader:
        assert reader.search(probe_of("ada"))[0].subjects[0] == "Ada"
        with pytest.raises(GalleryBusyError, match="was changed while it was read"), reader._truth.reading():
            os.utime(folder / "gallery.db", ns=(1, 1))
        refuse_writing.undo()
        with Gallery.open(folder, MODEL, DIMENSION) as owner:
            owner.remove("Ada")
        assert reader.search(probe_of("ada"), k=2)[0].subjects == ("Bob",)  # seen at the next question
