"""The copy of the vectors in the gallery's own PostgreSQL, searched by its extension pgvector.

A table of its own (`id bigint, vector vector(D)`) beside the truth's, made when it is first wanted and dropped at will; no
migration knows it, so a server without the extension holds a gallery all the same. Exact by default: the server reads
every row. `hnsw` builds pgvector's graph instead, which is faster and may miss somebody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.errors import GalleryError
from pipeline.gallery import external, server
from pipeline.gallery.engine import named_errors
from pipeline.gallery.external import IndexLostError
from pipeline.gallery.index import I64, check_ids, check_vectors
from pipeline.gallery.store import Meta
from pipeline.types import F32

_STATE = "knownface_pgvector"
_INLINE_BYTES = 7800  # a longer vector does not fit into a page of 8 KiB
_EF_MOST = 1000  # of hnsw.ef_search
_UNKNOWN_TABLE = "42P01"
_NOT_THERE = {"0A000", "58P01", "42704"}  # no such extension on the server, or no such type

IndexMethod = Literal["exact", "hnsw"]


class PgvectorIndex:
    """See `pipeline.protocols.Index` and `external.ExternalIndex`.

    Args:
        engine: The gallery's database.
        table: Name of the table.
        dimension: Length of a vector.
        label: What messages call the database.
        method: `exact`, or `hnsw` for pgvector's graph.
    """

    def __init__(self, engine: Engine, table: str, dimension: int, label: str, method: IndexMethod = "exact") -> None:
        if engine.dialect.name != "postgresql":
            raise GalleryError(f'{label}: index = "pgvector" needs a gallery on PostgreSQL; "local" searches any')
        self._engine, self._table, self._dimension, self._method = engine, table, dimension, method
        self._label = f"pgvector in {label}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def limit(self) -> int:
        """Most candidates that one query may ask for."""
        return 1 << 40 if self._method == "exact" else _EF_MOST

    @property
    def label(self) -> str:
        """What messages call it."""
        return self._label

    def __len__(self) -> int:
        """Vectors held."""
        with self._begin() as connection:
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {self._table}").scalar_one())

    def add(self, vectors: F32, ids: I64) -> None:
        """Adds (N, D) float32 unit rows under N new, distinct int64 ids.

        Raises:
            ValueError: A row is not finite or not unit, a shape does not fit, or an id is there already.
        """
        vectors = check_vectors(vectors, self._dimension)
        ids = check_ids(ids, len(vectors))
        if len(self.vectors_of(ids)[0]):
            raise ValueError("an id is there already")
        self.put(vectors, ids)

    def put(self, vectors: F32, ids: I64) -> None:
        """Adds (N, D) rows; what an id stood for before is replaced."""
        if not len(ids):
            return
        with self._begin() as connection:
            raw = _with_vectors(connection)
            cursor = raw.cursor()
            cursor.execute(
                f"CREATE TEMPORARY TABLE incoming (id bigint, vector vector({self._dimension})) ON COMMIT DROP"
            )
            with cursor.copy("COPY incoming FROM STDIN WITH (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "vector"])
                for key, vector in zip(ids.tolist(), vectors, strict=True):
                    copy.write_row((key, vector))
            cursor.execute(
                f"INSERT INTO {self._table} SELECT id, vector FROM incoming "
                "ON CONFLICT (id) DO UPDATE SET vector = EXCLUDED.vector"
            )

    def remove(self, ids: I64) -> int:
        """Removes what is there of the ids; returns how many were."""
        with self._begin() as connection:
            statement = f"DELETE FROM {self._table} WHERE id = ANY(%s)"
            return int(connection.exec_driver_sql(statement, (np.asarray(ids).tolist(),)).rowcount)

    def search(self, vectors: F32, k: int) -> tuple[F32, I64]:
        """The k most similar of each of (Q, D) rows.

        Returns:
            scores (Q, min(k, len)) float32 descending and ids of the same shape, int64; equal scores by ascending id.

        Raises:
            ValueError: A row is not finite or not unit, a shape does not fit, or k is below 1.
        """
        return external.search(self, vectors, k)

    def nearest(self, queries: F32, count: int) -> list[tuple[I64, F32]]:
        """Per query ids and scores, best first."""
        distance = f"vector <#> %(query)s::vector({self._dimension})"  # the negative inner product
        statement = f"SELECT id, -({distance}) FROM {self._table} ORDER BY {distance} LIMIT {count}"
        found = []
        with self._begin() as connection:
            if self._method == "hnsw":
                connection.exec_driver_sql(f"SET LOCAL hnsw.ef_search = {max(count, 40)}")
            for query in queries:
                text = "[" + ",".join(map(repr, query.tolist())) + "]"
                rows = connection.exec_driver_sql(statement, {"query": text}).all()
                found.append((np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows], np.float32)))
        return found

    def vectors_of(self, ids: I64) -> tuple[I64, F32]:
        """Those of the ids that are there, and their vectors."""
        with self._begin() as connection:
            cursor = _with_vectors(connection).cursor()
            cursor.execute(f"SELECT id, vector FROM {self._table} WHERE id = ANY(%s)", (np.asarray(ids).tolist(),))
            rows = cursor.fetchall()
        vectors = np.array([row[1].to_numpy() for row in rows], np.float32).reshape(len(rows), self._dimension)
        return np.array([row[0] for row in rows], np.int64), vectors

    def at(self) -> Meta | None:
        """The generation it shows."""
        with self._begin() as connection:
            there = connection.exec_driver_sql("SELECT to_regclass(%s), to_regclass(%s)", (_STATE, self._table)).one()
            if None in there:
                return None
            found = connection.exec_driver_sql(f"SELECT at FROM {_STATE} WHERE name = %s", (self._table,)).scalar()
        return None if found is None else Meta(*json.loads(found))

    def mark(self, at: Meta | None) -> None:
        """Remembers the generation it shows."""
        with self._begin() as connection:
            connection.exec_driver_sql(f"DELETE FROM {_STATE} WHERE name = %s", (self._table,))
            if at is not None:
                connection.exec_driver_sql(f"INSERT INTO {_STATE} VALUES (%s, %s)", (self._table, json.dumps(at)))

    def clear(self) -> None:
        """Makes the table anew, without a row."""
        with self._begin() as connection:
            run = connection.exec_driver_sql
            run("CREATE EXTENSION IF NOT EXISTS vector")
            run(f"CREATE TABLE IF NOT EXISTS {_STATE} (name text PRIMARY KEY, at text NOT NULL)")
            run(f"DELETE FROM {_STATE} WHERE name = %s", (self._table,))
            run(f"DROP TABLE IF EXISTS {self._table}")
            run(f"CREATE TABLE {self._table} (id bigint PRIMARY KEY, vector vector({self._dimension}) NOT NULL)")
            if 4 * self._dimension < _INLINE_BYTES:  # in the row, not beside it: a search reads them all
                run(f"ALTER TABLE {self._table} ALTER COLUMN vector SET STORAGE PLAIN")
            if self._method == "hnsw":
                run(f"CREATE INDEX ON {self._table} USING hnsw (vector vector_ip_ops)")

    def erase(self) -> None:
        """Writes the table anew without what was removed; the server's write-ahead log is its own matter."""
        server.rewrite(self._engine, [self._table])

    def close(self) -> None:
        """The engine belongs to the truth."""

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise self._named(error, error.orig or error) from error
        except Exception as error:
            if not hasattr(error, "sqlstate"):
                raise
            raise self._named(error, error) from error

    def _named(self, raised: Exception, error: BaseException) -> GalleryError:
        state = getattr(error, "sqlstate", None)
        if state == _UNKNOWN_TABLE:
            return IndexLostError(f"{self._label}: there is no table {self._table}")
        if state in _NOT_THERE:
            return GalleryError(f"{self._label}: the server lacks pgvector; install it there (PostgreSQL's `vector`)")
        try:
            with named_errors(self._label):
                raise raised
        except GalleryError as found:
            return found


def _with_vectors(connection: Connection) -> Any:
    """The driver's own connection, which knows the type `vector`."""
    try:
        from pgvector.psycopg import register_vector  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise GalleryError(f"{error.name} is not installed: pip install 'knownface[postgres]'") from error
    raw = connection.connection.driver_connection
    register_vector(raw)
    return raw
