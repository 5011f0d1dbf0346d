"""Which index answers: one in this process's memory, or an engine elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import GalleryError
from pipeline.gallery.external import name_for
from pipeline.gallery.external_search import ExternalSearch
from pipeline.gallery.live import LiveIndex
from pipeline.gallery.store import read_meta
from pipeline.gallery.truth import Truth
from pipeline.types import IndexKind, IndexMethod, SubjectScore


@dataclass(frozen=True, slots=True)
class IndexPlace:
    """Where a gallery is searched.

    Attributes:
        kind: `local`: in this process's memory. `pgvector`: in the gallery's own PostgreSQL. `milvus`: in Milvus.
        url: Of Milvus: `http://user:password@host:19530`, or a path ending in `.db` for Milvus Lite.
        method: Of an engine elsewhere: `exact` compares every template, `hnsw` follows a graph and may miss somebody.
    """

    kind: IndexKind = "local"
    url: str = ""
    method: IndexMethod = "exact"


LOCAL = IndexPlace()


def open_index(
    choice: IndexPlace, truth: Truth, model_id: str, dimension: int, subject_score: SubjectScore
) -> LiveIndex | ExternalSearch:
    """The index that was chosen; one in memory is loaded by the first search.

    Raises:
        GalleryError: The engine cannot be used for this gallery, or the package for it is not installed.
        GalleryUnreachableError: The engine does not answer.
    """
    if choice.kind == "local":
        return LiveIndex(truth, model_id, dimension, subject_score)
    if subject_score != "best":
        raise GalleryError(f'index = "{choice.kind}" compares samples: set subject_score = "best", or index = "local"')
    with truth.reading() as connection:
        name = name_for(read_meta(connection).gallery_id, model_id)
    if choice.kind == "pgvector":
        from pipeline.gallery.pgvector_index import PgvectorIndex  # noqa: PLC0415

        copy = PgvectorIndex(truth.engine, name, dimension, truth.place.label, choice.method)
        return ExternalSearch(truth, model_id, copy)
    if not choice.url:
        raise GalleryError('index = "milvus" needs index_url: http://host:19530, or a path ending in .db (Milvus Lite)')
    from pipeline.gallery.milvus_index import MilvusIndex  # noqa: PLC0415

    return ExternalSearch(truth, model_id, MilvusIndex(choice.url, name, dimension, choice.method))
