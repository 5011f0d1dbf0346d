"""The copy of the vectors in Milvus: a server or cluster by its URL, or Milvus Lite in a folder on this machine.

One collection per gallery and model. Exact by default (FLAT, inner product); `hnsw` is Milvus's graph. The generation
that the collection shows stands among its properties, written after the rows it speaks of.

Milvus answers from what has reached its query nodes. For a while after a change a search therefore asks for strong
consistency, which waits for Milvus's clock (about 0.2 s); later on it need not, because Milvus's bounded staleness
(5 s) has passed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from pipeline.errors import GalleryError, GalleryUnreachableError
from pipeline.gallery import external
from pipeline.gallery.external import IndexLostError
from pipeline.gallery.index import I64, check_ids, check_vectors
from pipeline.gallery.store import Meta
from pipeline.types import F32, IndexMethod

STRONG_S = 15.0
"""How long after a change seen here a search waits for it; three times Milvus's bounded staleness."""

_TIMEOUT_S = 60.0
_LIMIT = 16384  # of Milvus, for the candidates of one query
_BATCH_BYTES = 8 << 20
_IDS = 4096  # asked for at a time
_AT = "knownface.at"
_WRONG_URL = "index_url cannot be read: give http://host:19530, or a path ending in .db for Milvus Lite"
_NO_COLLECTION = 100
_UNREACHABLE = {2, 14}
_CALM = {"grpc.keepalive_time_ms": 300_000, "grpc.keepalive_permit_without_calls": False}
"""Milvus Lite hangs up on who asks every ten seconds, as pymilvus does by itself, whether it is still there."""


class MilvusIndex:
    """See `pipeline.protocols.Index` and `external.ExternalIndex`.

    Args:
        url: `http://user:password@host:19530`, or a path ending in `.db` for Milvus Lite.
        collection: Name of the collection.
        dimension: Length of a vector.
        method: `exact`, or `hnsw` for Milvus's graph.

    Raises:
        GalleryError: pymilvus is not installed.
        GalleryUnreachableError: Nobody answers there.
    """

    def __init__(self, url: str, collection: str, dimension: int, method: IndexMethod = "exact") -> None:
        address, token, self._label = _read(url)
        self._collection, self._dimension, self._method = collection, dimension, method
        self._strong_until = float("inf") if "://" not in url else time.monotonic() + STRONG_S
        self._seen: str | None = None
        with self._named():
            self._client = _connect(address, token)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def limit(self) -> int:
        """Most candidates that one query may ask for."""
        return _LIMIT

    @property
    def label(self) -> str:
        """What messages call it; never holds a password."""
        return self._label

    def __len__(self) -> int:
        """Vectors held."""
        with self._named():
            rows = self._client.query(
                self._collection, filter="", output_fields=["count(*)"], consistency_level="Strong", timeout=_TIMEOUT_S
            )
        return int(rows[0]["count(*)"])

    def add(self, vectors: F32, ids: I64) -> None:
        """Adds (N, D) float32 unit rows under N new, distinct int64 ids.

        Raises:
            ValueError: A row is not finite or not unit, a shape does not fit, or an id is there already.
        """
        vectors = check_vectors(vectors, self._dimension)
        ids = check_ids(ids, len(vectors))
        if len(self._present(ids)):
            raise ValueError("an id is there already")
        self.put(vectors, ids)

    def put(self, vectors: F32, ids: I64) -> None:
        """Adds (N, D) rows; what an id stood for before is replaced."""
        step = max(1, _BATCH_BYTES // (4 * self._dimension))
        for start in range(0, len(ids), step):
            part = slice(start, start + step)
            pairs = zip(ids[part].tolist(), vectors[part], strict=True)
            with self._named():
                self._client.upsert(
                    self._collection, [{"id": key, "vector": row} for key, row in pairs], timeout=_TIMEOUT_S
                )
        self._changed()

    def remove(self, ids: I64) -> int:
        """Removes what is there of the ids; returns how many were."""
        present = self._present(np.asarray(ids, np.int64)).tolist()
        for start in range(0, len(present), _IDS):
            with self._named():
                self._client.delete(self._collection, ids=present[start : start + _IDS], timeout=_TIMEOUT_S)
        self._changed()
        return len(present)

    def search(self, vectors: F32, k: int) -> tuple[F32, I64]:
        """See `protocols.Index.search`; by the vectors that are there, whatever the truth says."""
        return external.search(self, vectors, k)

    def nearest(self, queries: F32, count: int) -> list[tuple[I64, F32]]:
        """Per query ids and scores, best first."""
        if not len(queries):
            return []
        options = {"ef": max(64, 2 * count)} if self._method == "hnsw" else {}
        with self._named():
            answers = self._client.search(
                self._collection,
                data=list(queries),
                limit=count,
                search_params={"metric_type": "IP", "params": options},
                output_fields=["id"],
                consistency_level="Strong" if time.monotonic() < self._strong_until else "Bounded",
                timeout=_TIMEOUT_S,
            )
        return [
            (np.array([hit["id"] for hit in hits], np.int64), np.array([hit["distance"] for hit in hits], np.float32))
            for hits in answers
        ]

    def vectors_of(self, ids: I64) -> tuple[I64, F32]:
        """Those of the ids that are there, and their vectors."""
        rows = self._get(ids, ["id", "vector"])
        vectors = np.array([row["vector"] for row in rows], np.float32).reshape(len(rows), self._dimension)
        return np.array([row["id"] for row in rows], np.int64), vectors

    def at(self) -> Meta | None:
        """The generation it shows."""
        try:
            with self._named():
                about = self._client.describe_collection(self._collection, timeout=_TIMEOUT_S)
        except IndexLostError:
            return None
        text = (about.get("properties") or {}).get(_AT)
        if text != self._seen:  # somebody else has changed it
            self._seen = text
            self._changed()
        return external.read_mark(text, self._method) if text else None

    def mark(self, at: Meta | None) -> None:
        """Remembers the generation it shows."""
        text = "" if at is None else external.mark(at, self._method)
        with self._named():
            self._client.alter_collection_properties(self._collection, {_AT: text}, timeout=_TIMEOUT_S)
        self._changed()

    def clear(self) -> None:
        """Makes the collection anew, without a row."""
        from pymilvus import DataType  # noqa: PLC0415

        client = self._client
        with self._named():
            if client.has_collection(self._collection, timeout=_TIMEOUT_S):
                client.drop_collection(self._collection, timeout=_TIMEOUT_S)
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dimension)
            indexes = client.prepare_index_params()
            kind = {"exact": ("FLAT", {}), "hnsw": ("HNSW", {"M": 16, "efConstruction": 200})}[self._method]
            indexes.add_index("vector", index_type=kind[0], metric_type="IP", params=kind[1])
            client.create_collection(
                self._collection,
                schema=schema,
                index_params=indexes,
                consistency_level="Bounded",
                timeout=_TIMEOUT_S,
            )
        self._changed()

    def erase(self) -> None:
        """Seals and compacts the segments without what was removed; Milvus drops the old files later, by itself."""
        with self._named():
            self._client.flush(self._collection, timeout=_TIMEOUT_S)
            self._client.compact(self._collection, timeout=_TIMEOUT_S)

    def close(self) -> None:
        """Gives the connection back."""
        self._client.close()

    def _changed(self) -> None:
        self._strong_until = max(self._strong_until, time.monotonic() + STRONG_S)

    def _present(self, ids: I64) -> I64:
        return np.array([row["id"] for row in self._get(ids, ["id"])], np.int64)

    def _get(self, ids: I64, fields: list[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        wanted = ids.tolist()
        for start in range(0, len(wanted), _IDS):
            with self._named():
                rows += self._client.query(
                    self._collection,
                    ids=wanted[start : start + _IDS],
                    output_fields=fields,
                    consistency_level="Strong",
                    timeout=_TIMEOUT_S,
                )
        return rows

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            from pymilvus.exceptions import MilvusException  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise GalleryError(f"{error.name} is not installed: pip install 'knownface[milvus]'") from error
        try:
            yield
        except MilvusException as error:
            text = " ".join(str(error.message).split())
            if error.code == _NO_COLLECTION:
                raise IndexLostError(f"{self._label}: there is no collection {self._collection}") from error
            if error.code in _UNREACHABLE or "illegal connection params" in text or "deadline" in text.lower():
                raise GalleryUnreachableError(f"{self._label}: does not answer: {text}") from error
            raise GalleryError(f"{self._label}: refused: {text}") from error


def _connect(address: str, token: str) -> Any:
    from pymilvus import MilvusClient  # noqa: PLC0415

    for name in ("pymilvus", "grpc._server"):  # they write a traceback for what is raised as well
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return MilvusClient(uri=address, token=token, timeout=_TIMEOUT_S, grpc_options=_CALM)


def _read(url: str) -> tuple[str, str, str]:
    """Address, token and label of a URL or of a path.

    Raises:
        GalleryError: It is neither.
    """
    if "://" not in url:
        if not url.endswith(".db"):
            raise GalleryError(_WRONG_URL)
        return str(Path(url).expanduser()), "", f"Milvus Lite in {url}"
    try:
        parts = urlsplit(url)
        _ = parts.port  # is read, and may be none, only now
    except ValueError as error:
        raise GalleryError(_WRONG_URL) from error
    host = parts.netloc.rpartition("@")[2]
    token = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if parts.username else ""
    return f"{parts.scheme}://{host}{parts.path}", token, f"Milvus at {parts.scheme}://{host}"
