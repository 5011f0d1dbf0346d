"""The copy of the vectors in the gallery's own PostgreSQL, searched by its extension pgvector.

A table of its own (`id bigint, vector vector(D)`) beside the truth's, made when it is first wanted and dropped at will;
no migration knows it, so a server without the extension holds a gallery all the same. Exact by default: the server
reads every row. `hnsw` builds pgvector's graph instead, which is faster and may miss somebody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Engine

from pipeline.errors import GalleryError
from pipeline.gallery import external, server
from pipeline.gallery.engine_errors import named_errors
from pipeline.gallery.external import IndexLostError
from pipeline.gallery.index import I64, check_ids, check_vectors
from pipeline.gallery.store import Meta
from pipeline.types import F32, IndexMethod

_INLINE_BYTES = 7800  # a longer vector does not fit into a page of 8 KiB
_EF_LEAST, _EF_MOST = 40, 1000  # of hnsw.ef_search
_UNKNOWN_TABLE = "42P01"
_REFUSED = "42501"
_NOT_THERE = {"0A000", "58P01", "42704"}  # no such extension on the server, or no such type

_state = sa.Table(
    "knownface_pgvector", sa.MetaData(), sa.Column("name", sa.Text, primary_key=True), sa.Column("at", sa.Text)
)
"""The generation that each table shows, as JSON."""


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
        self._engine, self._dimension, self._method = engine, dimension, method
        self._label = f"pgvector in {label}"
        self._table = _table(table, dimension)
        if method == "hnsw":
            kinds = {"vector": "vector_ip_ops"}
            sa.Index(f"{table}_hnsw", self._table.c.vector, postgresql_using="hnsw", postgresql_ops=kinds)

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
            return int(connection.execute(sa.select(sa.func.count()).select_from(self._table)).scalar_one())

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
        incoming = _table("incoming", self._dimension, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")
        rows = sa.select(incoming.c.id, incoming.c.vector)
        insert = postgresql.insert(self._table).from_select(["id", "vector"], rows)
        with self._begin() as connection:
            incoming.create(connection)
            with _driver(connection).cursor().copy("COPY incoming FROM STDIN WITH (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "vector"])
                for key, vector in zip(ids.tolist(), vectors, strict=True):
                    copy.write_row((key, vector))
            connection.execute(
                insert.on_conflict_do_update(index_elements=["id"], set_={"vector": insert.excluded.vector})
            )

    def remove(self, ids: I64) -> int:
        """Removes what is there of the ids; returns how many were."""
        with self._begin() as connection:
            return int(connection.execute(sa.delete(self._table).where(self._among(ids))).rowcount)

    def search(self, vectors: F32, k: int) -> tuple[F32, I64]:
        """See `protocols.Index.search`; by the vectors that are there, whatever the truth says."""
        return external.search(self, vectors, k)

    def nearest(self, queries: F32, count: int) -> list[tuple[I64, F32]]:
        """Per query ids and scores, best first."""
        found = []
        with self._begin() as connection:
            if self._method == "hnsw":
                connection.exec_driver_sql(f"SET LOCAL hnsw.ef_search = {max(count, _EF_LEAST)}")
            for query in queries:
                distance = self._table.c.vector.max_inner_product(query)  # the negative inner product
                rows = connection.execute(sa.select(self._table.c.id, distance).order_by(distance).limit(count)).all()
                found.append((np.array([r[0] for r in rows], np.int64), np.array([-r[1] for r in rows], np.float32)))
        return found

    def vectors_of(self, ids: I64) -> tuple[I64, F32]:
        """Those of the ids that are there, and their vectors."""
        with self._begin() as connection:
            rows = connection.execute(sa.select(self._table).where(self._among(ids))).all()
        vectors = np.array([row.vector for row in rows], np.float32).reshape(len(rows), self._dimension)
        return np.array([row.id for row in rows], np.int64), vectors

    def at(self) -> Meta | None:
        """The generation it shows."""
        with self._begin() as connection:
            if not {_state.name, self._table.name} <= set(sa.inspect(connection).get_table_names()):
                return None
            found = connection.execute(sa.select(_state.c.at).where(_state.c.name == self._table.name)).scalar()
        return None if found is None else external.read_mark(found, self._method)

    def mark(self, at: Meta | None) -> None:
        """Remembers the generation it shows."""
        with self._begin() as connection:
            connection.execute(sa.delete(_state).where(_state.c.name == self._table.name))
            if at is not None:
                connection.execute(sa.insert(_state).values(name=self._table.name, at=external.mark(at, self._method)))

    def clear(self) -> None:
        """Makes the table anew, without a row."""
        with self._begin() as connection:
            connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS vector")
            _state.create(connection, checkfirst=True)
            connection.execute(sa.delete(_state).where(_state.c.name == self._table.name))
            self._table.drop(connection, checkfirst=True)
            self._table.create(connection)
            if 4 * self._dimension < _INLINE_BYTES:  # in the row, not beside it: a search reads them all
                quoted = connection.dialect.identifier_preparer.format_table(self._table)
                connection.exec_driver_sql(f"ALTER TABLE {quoted} ALTER COLUMN vector SET STORAGE PLAIN")

    def erase(self) -> None:
        """Writes the table anew without what was removed; the server's write-ahead log is its own matter."""
        server.rewrite(self._engine, [self._table.name])

    def close(self) -> None:
        """The engine belongs to the truth."""

    def _among(self, ids: I64) -> sa.ColumnElement[bool]:
        wanted = sa.cast(np.asarray(ids, np.int64).tolist(), postgresql.ARRAY(sa.BigInteger))
        return self._table.c.id == sa.any_(wanted)

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
            return IndexLostError(f"{self._label}: there is no table {self._table.name}")
        if state in _NOT_THERE:
            return GalleryError(f"{self._label}: the server lacks pgvector; install it there (PostgreSQL's `vector`)")
        if state == _REFUSED:
            return GalleryError(f"{self._label}: an administrator of the database must run: CREATE EXTENSION vector")
        try:
            with named_errors(self._label):
                raise raised
        except GalleryError as found:
            return found


def _table(name: str, dimension: int, **options: Any) -> sa.Table:
    try:
        from pgvector.sqlalchemy import VECTOR  # noqa: PLC0415 - of the extra
    except ModuleNotFoundError as error:
        raise GalleryError(f"{error.name} is not installed: pip install 'knownface[postgres]'") from error
    key = sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False)
    return sa.Table(name, sa.MetaData(), key, sa.Column("vector", VECTOR(dimension), nullable=False), **options)


def _driver(connection: Connection) -> Any:
    """The driver's own connection, which knows the type `vector`."""
    from pgvector.psycopg import register_vector  # noqa: PLC0415

    raw = connection.connection.driver_connection
    register_vector(raw)
    return raw
