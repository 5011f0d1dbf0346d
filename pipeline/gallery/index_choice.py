"""Which index a gallery uses: the exact one, unless `knownface gallery tune` chose another and kept the evidence."""

from __future__ import annotations

import logging

from sqlalchemy.engine import Connection

from pipeline.errors import GalleryDamagedError
from pipeline.gallery import documents
from pipeline.gallery.codes import Coding

KIND = "index"
"""Kind of the document that holds the choice and what was measured for it."""

_LONGEST = 4  # bits a dimension, of those rounded up to 64; `tuning.candidates` tries no more

_log = logging.getLogger(__name__)


def chosen(connection: Connection, model_id: str, dimension: int) -> Coding | None:
    """How the vectors of a model are compressed; None: not at all.

    A choice that cannot be read, or that a newer version made, is no reason not to answer: the exact index is right.
    """
    try:
        body = documents.read(connection, KIND, model_id)
        coding = None if body is None else Coding.of_document(body)
        if coding is not None and not dimension <= coding.bits <= _LONGEST * -(-dimension // 64) * 64:
            raise ValueError(f"the length of its codes does not fit vectors of {dimension} dimensions")
    except (GalleryDamagedError, ValueError) as error:
        _log.warning("the exact index is used, since the choice of another cannot be: %s", error)
        return None
    return coding
