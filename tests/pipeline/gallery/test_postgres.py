"""What is particular to a truth on PostgreSQL; test_gallery and test_concurrency run on it as a whole."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of, vector_of

from pipeline.errors import (
    GalleryBusyError,
    GalleryDamagedError,
    GalleryError,
    GalleryUnreachableError,
    SubjectNotFoundError,
)
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.schema import metadata

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture
def gallery(database):
    with Gallery.open(database, MODEL, DIMENSION) as opened:
        yield opened


def test_the_migrations_make_the_schema(gallery):
    with gallery._truth.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_many_threads_may_make_the_same_gallery(database):
    with ThreadPoolExecutor(6) as pool:
        made = [pool.submit(Gallery.open, database, MODEL, DIMENSION) for _ in range(6)]
    galleries = [future.result() for future in made]
    assert len({gallery.stats()["gallery_id"] for gallery in galleries}) == 1
    for gallery in galleries:
        gallery.close()


def test_two_who_remove_the_same_subject(gallery):
    """Writers wait for each other before they look, so the second one is told that there is nobody."""
    gallery.enrol("Ada", [sample_of("ada")])
    outcome = []

    def remove():
        try:
            outcome.append(gallery.remove("Ada"))
        except SubjectNotFoundError:
            outcome.append(None)

    with Gallery.open(gallery._truth.place.url.render_as_string(hide_password=False), MODEL, DIMENSION) as other:
        with other._truth.writing():
            threads = [threading.Thread(target=remove) for _ in range(2)]
            for thread in threads:
                thread.start()
            time.sleep(0.2)
            assert outcome == []
        for thread in threads:
            thread.join()
    assert sorted(outcome, key=str) == [1, None]


def test_a_locked_gallery_says_so_and_can_still_be_read(database, monkeypatch):
    with Gallery.open(database, MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        monkeypatch.setattr("pipeline.gallery.engine.BUSY_TIMEOUT_S", 0.05)
        with Gallery.open(database, MODEL, DIMENSION) as hasty, gallery._truth.writing():
            with pytest.raises(GalleryBusyError):
                hasty.enrol("Bob", [sample_of("bob")])
            assert hasty.search(probe_of("ada"))[0].subjects == ("Ada",)


def test_export_stats_and_upkeep(gallery, tmp_path):
    gallery.enrol("Ada", [sample_of("ada", crop=b"\x89PNG\x00")])
    gallery.enrol("Bob", [sample_of("bob")])
    document = json.loads(json.dumps(gallery.export("Ada")))
    assert document["samples"][0]["crop_png"]
    gallery.remove("Bob")
    assert gallery.stats()["tombstones"] == 1
    gallery.compact()
    assert gallery.stats()["tombstones"] == 0
    assert gallery.search(probe_of("bob"))[0].subjects == ("Ada",)
    assert not gallery.save_index()
    with pytest.raises(GalleryError, match="pg_dump"):
        gallery.backup(tmp_path / "backup")
    with pytest.raises(GalleryError, match="pg_restore"):
        Gallery.restore(tmp_path / "backup", str(gallery._truth.place.url))


def test_check_finds_and_repairs(gallery):
    gallery.enrol("Ada", [sample_of("ada1"), sample_of("ada2")])
    gallery.search(probe_of("ada1"))
    with gallery._truth.writing() as connection:
        connection.execute(sa.text("UPDATE templates SET vector = '\\x00' WHERE id = 1"))
    kinds = {problem.kind for problem in gallery.check()}
    assert "bad_vector" in kinds
    gallery.check(repair=True)
    assert {problem.kind for problem in gallery.check()} == {"sample_without_template"}


def test_what_was_removed_leaves_the_tables_with_compact(postgres):
    """The write-ahead log keeps it until the server recycles it; docs/scale.md says so."""
    postgres.execute("CREATE DATABASE erasure")
    url = postgres.url("erasure")
    needle = vector_of("ada").astype("<f4").tobytes()

    def files_with_it():
        postgres.execute("CHECKPOINT", "erasure")
        [[oid]] = postgres.execute("SELECT oid FROM pg_database WHERE datname = 'erasure'")
        folder = postgres.data / "base" / str(oid)
        return [file.name for file in folder.iterdir() if needle in file.read_bytes()]

    with Gallery.open(url, MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        gallery.enrol("Bob", [sample_of("bob")])
        assert files_with_it()
        gallery.remove("Ada")
        gallery.compact()
        assert files_with_it() == []
        assert gallery.search(probe_of("bob"))[0].subjects == ("Bob",)


@pytest.mark.parametrize(
    ("change", "error", "what"),
    [
        ({"password": "wrong-secret"}, GalleryUnreachableError, "password authentication failed"),
        ({"database": "nowhere"}, GalleryUnreachableError, '"nowhere" does not exist'),
        ({"port": 1}, GalleryUnreachableError, "cannot be reached"),
        ({"query": {"nonsense": "1"}}, GalleryError, "nonsense"),
        ({"query": {"password": "wrong-secret"}, "password": None}, GalleryUnreachableError, "authentication failed"),
    ],
)
def test_a_server_that_cannot_be_used(postgres, change, error, what):
    url = sa.make_url(postgres.url("postgres")).set(**change)
    with pytest.raises(error, match=what) as raised:
        Gallery.open(url.render_as_string(hide_password=False), MODEL, DIMENSION)
    assert "secret" not in raised.value.message
    assert len(raised.value.message.splitlines()) == 1


def test_somebody_elses_database(database):
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE songs (title TEXT)"))
    engine.dispose()
    with pytest.raises(GalleryDamagedError, match="no Knownface gallery"):
        Gallery.open(database, MODEL, DIMENSION)


def test_a_connection_that_breaks_is_named_and_the_next_one_works(gallery):
    gallery.enrol("Ada", [sample_of("ada")])

    def break_it():
        with gallery._truth.writing() as connection:
            [[pid]] = connection.execute(sa.text("SELECT pg_backend_pid()"))
            with gallery._truth.reading() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(GalleryUnreachableError, match="not known"):
        break_it()
    gallery.enrol("Bob", [sample_of("bob")])
    assert gallery.search(probe_of("bob"))[0].subjects[0] == "Bob"


NODE = """
import sys
sys.path.insert(0, {here!r})
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of
from pipeline.gallery.gallery import Gallery
with Gallery.open({location!r}, MODEL, DIMENSION) as gallery:
    for line in sys.stdin:
        command, key = line.split()
        if command == "enrol":
            gallery.enrol(key, [sample_of(key)])
        elif command == "remove":
            gallery.remove(key)
        found = gallery.search(probe_of(key))[0]
        print(found.subjects[0] if found.subjects else "-", flush=True)
"""


def test_two_nodes_follow_one_truth(database):
    """What node A has acknowledged, the next search on node B shows."""
    program = NODE.format(here=str(HERE), location=database)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([sys.executable, "-c", program], **pipes) as a,
        subprocess.Popen([sys.executable, "-c", program], **pipes) as b,
    ):

        def tell(node, line):
            node.stdin.write(line + "\n")
            node.stdin.flush()
            return node.stdout.readline().strip()

        assert tell(b, "find ada") == "-"
        for key in ("ada", "bob"):
            assert tell(a, f"enrol {key}") == key
            assert tell(b, f"find {key}") == key
        assert tell(a, "remove ada") == "bob"
        assert tell(b, "find ada") == "bob"
        assert tell(b, "enrol cy") == "cy"
        assert tell(a, "find cy") == "cy"
        for node in (a, b):
            node.stdin.close()
            assert node.wait() == 0
