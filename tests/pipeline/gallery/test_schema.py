"""The migrations make exactly the tables that schema.py describes, from every earlier revision."""

from __future__ import annotations

import sqlite3
import threading

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from gallery_samples import DIMENSION, MODEL, sample_of

from pipeline.gallery.engine import MIGRATIONS
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.schema import REVISIONS, metadata


def test_the_known_revisions_are_the_migrations():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == REVISIONS


def test_the_migrations_make_the_schema(tmp_path):
    Gallery.open(tmp_path, MODEL, DIMENSION).close()
    made = sa.create_engine(f"sqlite:///{tmp_path / 'gallery.db'}")
    with made.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    made.dispose()
    described = sa.create_engine("sqlite://")
    metadata.create_all(described)
    statement = (
        "SELECT name, replace(replace(sql, '\n', ''), '\t', '') FROM sqlite_master WHERE name NOT LIKE '%alembic%'"
    )
    with described.connect() as one, sqlite3.connect(tmp_path / "gallery.db") as two:
        wanted = dict(one.exec_driver_sql(statement).all())
        found = dict(two.execute(statement).fetchall())
    two.close()
    described.dispose()
    assert found.keys() == wanted.keys()
    assert {name for name, text in found.items() if "AUTOINCREMENT" in (text or "")} == {
        name for name, text in wanted.items() if "AUTOINCREMENT" in (text or "")
    }


def test_the_schema_is_one_that_postgresql_takes():
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    text = "".join(str(CreateTable(table).compile(dialect=postgresql.dialect())) for table in metadata.sorted_tables)
    assert "id BIGSERIAL NOT NULL" in text
    assert "vector BYTEA NOT NULL" in text


def test_what_is_acknowledged_is_synced(tmp_path):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery, gallery._truth.reading() as connection:

        def pragma(name):
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2
        assert pragma("foreign_keys") == 1
        assert pragma("secure_delete") == 1


def test_many_threads_may_make_the_same_gallery(tmp_path):
    errors = []
    start = threading.Barrier(6)

    def make(number):
        try:
            start.wait()
            with Gallery.open(tmp_path / "new", MODEL, DIMENSION) as gallery:
                gallery.enrol(f"s{number}", [sample_of(number)])
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Gallery.open(tmp_path / "new", MODEL, DIMENSION) as gallery:
        assert len(gallery) == 6
