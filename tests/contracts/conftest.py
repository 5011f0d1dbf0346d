"""Empty indexes of the engines that run elsewhere, by dimension."""

from __future__ import annotations

import numpy as np
import pytest


class Emptied(dict):
    """Indexes by dimension, each made once and emptied whenever it is asked for: dead rows stay about."""

    def __init__(self, build):
        super().__init__()
        self.build = build

    def __getitem__(self, dimension):
        if dimension not in self:
            self[dimension] = self.build(f"contract_{dimension}", dimension)
            super().__getitem__(dimension).clear()
        index = super().__getitem__(dimension)
        index.remove(np.arange(-60, 1100))
        assert len(index) == 0
        return index


@pytest.fixture(scope="module")
def pgvector_indexes(postgres):
    from pipeline.gallery.pgvector_index import PgvectorIndex
    from pipeline.gallery.server import read_url, server_engine

    postgres.execute("CREATE DATABASE contract")
    engine = server_engine(read_url(postgres.url("contract")), "PostgreSQL", 10)
    yield Emptied(lambda name, dimension: PgvectorIndex(engine, name, dimension, "PostgreSQL"))
    engine.dispose()


def milvus_indexes_at(url):
    from pipeline.gallery.milvus_index import MilvusIndex

    indexes = Emptied(lambda name, dimension: MilvusIndex(url, name, dimension))
    yield indexes
    for index in indexes.values():
        index.close()


@pytest.fixture(scope="module")
def milvus_lite_indexes(milvus_lite):
    yield from milvus_indexes_at(milvus_lite)


@pytest.fixture(scope="module")
def milvus_indexes(milvus):
    yield from milvus_indexes_at(milvus)
