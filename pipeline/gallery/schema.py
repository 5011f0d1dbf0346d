"""The tables of the truth. How they came about stands in migrations/; a test holds the two equal.

    meta ─ one row: who this gallery is and how often it has changed
    subjects 1─n samples 1─n templates      a template is one model's vector of one sample
    removed ─ tombstones of templates, so that an index elsewhere can follow without a rebuild
    documents ─ JSON that belongs to the gallery and one model: its calibration, the evidence for its index
    consent, audit ─ made now, filled by a later version

`changed` is the generation that last touched a row; an index at generation g asks for the rows with changed > g.
Identities are never used twice (AUTOINCREMENT), so a template's id can serve as its id in every index. Times are
microseconds since 1970-01-01 UTC. Vectors and landmarks are little-endian float32.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    type_coerce,
)

from pipeline.gallery.column_types import (
    BytesOrEmpty,
    CheckedBigWhole,
    CheckedBytes,
    CheckedBytesOrNull,
    CheckedNumber,
    CheckedNumberOrNull,
    CheckedString,
    CheckedText,
    CheckedWhole,
    LandmarkBytes,
)

REVISIONS = ("0001", "0002")
"""Every schema revision this version knows, oldest first; the last one is the head of migrations/."""

LATER_TABLES = {"documents": "0002"}
"""Tables that a gallery of an earlier schema does not have, and the revision that makes them."""

metadata = MetaData()
BigId = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY is SQLite's rowid

meta = Table(
    "meta",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="meta_one_row"), primary_key=True, autoincrement=False),
    Column("gallery_id", CheckedString(32), nullable=False),  # new for every gallery and every restore
    Column("generation", CheckedBigWhole, nullable=False),  # grows by one with every write
    Column("removal", CheckedBigWhole, nullable=False),  # generation of the last write that removed a template
    Column("horizon", CheckedBigWhole, nullable=False),  # tombstones up to here are gone: an older index is rebuilt
    Column("created_us", CheckedBigWhole, nullable=False),
)

subjects = Table(
    "subjects",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", CheckedText, nullable=False, unique=True),
    Column("folded", CheckedText, nullable=False),
    Column("created_us", CheckedBigWhole, nullable=False),
    Column("changed", CheckedBigWhole, nullable=False),
    Index("subjects_folded", "folded", "name"),
    Index("subjects_changed", "changed"),
    sqlite_autoincrement=True,
)

samples = Table(
    "samples",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("uid", CheckedString(32), nullable=False, unique=True),
    Column("subject_id", BigId, ForeignKey("subjects.id", ondelete="CASCADE"), nullable=False),
    Column("source", CheckedText, nullable=False),
    Column("photo_sha256", CheckedString(64), nullable=False),
    Column("box_x0", CheckedNumber, nullable=False),
    Column("box_y0", CheckedNumber, nullable=False),
    Column("box_x1", CheckedNumber, nullable=False),
    Column("box_y1", CheckedNumber, nullable=False),
    Column("landmarks", LandmarkBytes, nullable=False),  # 5 x 2 float32
    Column("image_h", CheckedWhole, nullable=False),
    Column("image_w", CheckedWhole, nullable=False),
    Column("confidence", CheckedNumber, nullable=False),
    Column("quality", CheckedNumberOrNull),
    Column("created_us", CheckedBigWhole, nullable=False),
    Column("changed", CheckedBigWhole, nullable=False),
    Column("crop", CheckedBytesOrNull),  # PNG; last, so that reading the rest does not walk through it
    Index("samples_subject", "subject_id"),
    Index("samples_photo", "photo_sha256"),
    Index("samples_changed", "changed"),
    sqlite_autoincrement=True,
)

templates = Table(
    "templates",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("sample_id", BigId, ForeignKey("samples.id", ondelete="CASCADE"), nullable=False),
    Column("model_id", CheckedText, nullable=False),
    Column("norm", CheckedNumber, nullable=False),
    Column("vector", CheckedBytes, nullable=False),  # D float32
    UniqueConstraint("sample_id", "model_id", name="templates_sample_model"),
    sqlite_autoincrement=True,
)

LENIENT_VECTOR = type_coerce(templates.c.vector, BytesOrEmpty())
"""The column for those who leave out or report a bad vector; anybody else stops at it."""

removed = Table(
    "removed",
    metadata,
    Column("template_id", BigId, primary_key=True, autoincrement=False),
    Column("generation", CheckedBigWhole, nullable=False),
    Index("removed_generation", "generation"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("kind", CheckedText, nullable=False),
    Column("model_id", CheckedText, nullable=False),
    Column("body", CheckedText, nullable=False),  # a JSON object, ASCII
    Column("created_us", CheckedBigWhole, nullable=False),
    UniqueConstraint("kind", "model_id", name="documents_kind_model"),
    sqlite_autoincrement=True,
)

consent = Table(
    "consent",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("subject_id", BigId, ForeignKey("subjects.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("given_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("withdrawn_us", BigInteger),
    Column("evidence", Text),
    Index("consent_subject", "subject_id"),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("entry_hash", String(64), nullable=False),
    Index("audit_at", "at_us"),
    sqlite_autoincrement=True,
)


def tables_of(revision: str) -> frozenset[str]:
    """Names of the tables that a gallery of this revision has."""
    known = REVISIONS.index(revision)
    return frozenset(name for name in metadata.tables if REVISIONS.index(LATER_TABLES.get(name, REVISIONS[0])) <= known)
