"""The tables of the truth. How they came about stands in migrations/; a test holds the two equal.

    meta ─ one row: who this gallery is and how often it has changed
    subjects 1─n samples 1─n templates      a template is one model's vector of one sample
    removed ─ tombstones of templates, so that an index elsewhere can follow without a rebuild
    documents ─ JSON that belongs to the gallery and one model: its calibration, the evidence for its index
    subjects 1─n consent                    what was agreed to, until when
    subjects 1─1 holds                      who may not be erased, for a legal reason
    audit ─ what was done, each entry chained to the one before; triggers refuse every change of it
    audit_head ─ one row: where the chain ends, and who has signed that
    vault ─ one row in an encrypted gallery: its wrapped keys, and how far the encryption is

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
    Table,
    UniqueConstraint,
    event,
    type_coerce,
)
from sqlalchemy.engine import Connection

from pipeline.gallery.column_types import (
    BytesOrEmpty,
    CheckedBigWhole,
    CheckedBigWholeOrNull,
    CheckedBytes,
    CheckedBytesOrNull,
    CheckedNumber,
    CheckedNumberOrNull,
    CheckedString,
    CheckedText,
    CheckedTextOrNull,
    CheckedWhole,
    LandmarkBytes,
)
from pipeline.gallery.vault.columns import SealedText, SealedTextOrNull, SubjectName
from pipeline.gallery.vault.sealer import EVIDENCE, GIVEN_BY, REASON, SOURCE

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Every schema revision this version knows, oldest first; the last one is the head of migrations/."""

LATER_TABLES = {"documents": "0002", "holds": "0003", "audit_head": "0003", "vault": "0004"}
"""Tables that a gallery of an earlier schema does not have, and the revision that makes them."""

LATER_COLUMNS = dict.fromkeys(
    ("subjects.uid", "consent.text_version", "consent.given_by", "consent.recorded_by"), "0003"
) | {"subjects.rights": "0005"}
"""Columns that were added to a table after the revision that made it."""

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
    Column("name", SubjectName, nullable=False, unique=True),
    Column("folded", CheckedText, nullable=False),  # in an encrypted gallery the sealed name
    Column("created_us", CheckedBigWhole, nullable=False),
    Column("changed", CheckedBigWhole, nullable=False),
    Column("uid", CheckedString(32), nullable=False, server_default=""),  # what the audit calls a subject; random
    Column("rights", CheckedTextOrNull),  # in an encrypted gallery: a seal over the consents and the hold
    Index("subjects_folded", "folded", "name"),
    Index("subjects_changed", "changed"),
    Index("subjects_uid", "uid", unique=True),
    sqlite_autoincrement=True,
)

samples = Table(
    "samples",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("uid", CheckedString(32), nullable=False, unique=True),
    Column("subject_id", BigId, ForeignKey("subjects.id", ondelete="CASCADE"), nullable=False),
    Column("source", SealedText(SOURCE, "uid"), nullable=False),
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
    Column("purpose", CheckedText, nullable=False),
    Column("basis", CheckedText, nullable=False),
    Column("given_us", CheckedBigWhole, nullable=False),
    Column("expires_us", CheckedBigWholeOrNull),
    Column("withdrawn_us", CheckedBigWholeOrNull),
    Column("evidence", SealedTextOrNull(EVIDENCE, "given_us")),  # where the signed paper is
    Column("text_version", CheckedTextOrNull),  # which wording was agreed to
    Column("given_by", SealedTextOrNull(GIVEN_BY, "given_us")),  # who agreed, where it is not the subject: a guardian
    Column("recorded_by", CheckedText, nullable=False, server_default=""),
    Index("consent_subject", "subject_id"),
    sqlite_autoincrement=True,
)

holds = Table(
    "holds",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("subject_id", BigId, ForeignKey("subjects.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("placed_us", CheckedBigWhole, nullable=False),
    Column("until_us", CheckedBigWholeOrNull),  # nothing: until it is released
    Column("reason", SealedText(REASON, "placed_us"), nullable=False),
    Column("actor", CheckedText, nullable=False),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigId, primary_key=True),  # 1, 2, 3 ... without gaps
    Column("at_us", CheckedBigWhole, nullable=False),
    Column("actor", CheckedText, nullable=False),
    Column("action", CheckedText, nullable=False),
    Column("target", CheckedText, nullable=False),
    Column("detail", CheckedText, nullable=False),  # a JSON object
    Column("previous_hash", CheckedString(64), nullable=False),
    Column("entry_hash", CheckedString(64), nullable=False),
    Index("audit_at", "at_us"),
    Index("audit_target", "target"),
    sqlite_autoincrement=True,
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="audit_head_one_row"), primary_key=True, autoincrement=False),
    Column("chain_id", CheckedString(32), nullable=False),
    Column("entries", CheckedBigWhole, nullable=False),
    Column("last_hash", CheckedString(64), nullable=False),
    Column("signed_entries", CheckedBigWhole, nullable=False),  # what the signature says
    Column("signed_hash", CheckedString(64), nullable=False),
    Column("key_id", CheckedText, nullable=False),
    Column("signature", CheckedText, nullable=False),
)

vault = Table(
    "vault",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="vault_one_row"), primary_key=True, autoincrement=False),
    Column("vault_id", CheckedString(32), nullable=False),
    Column("state", CheckedString(16), nullable=False),
    Column("key_id", CheckedString(8), nullable=False),
    Column("master_id", CheckedString(16), nullable=False),
    Column("wrapped", CheckedText, nullable=False),  # data keys by id, in JSON
)

APPEND_ONLY = {
    f"audit_no_{what.lower()}": f"CREATE TRIGGER audit_no_{what.lower()} BEFORE {what} ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    for what in ("UPDATE", "DELETE")
}
"""The triggers of SQLite that keep the log as it is, by name; who opens the file himself can drop them."""

APPEND_ONLY_SERVER = (
    "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RAISE EXCEPTION ''the audit log is append-only''; END'",
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
)
"""The same for PostgreSQL."""


def _make_append_only(_table: object, connection: Connection, **_: object) -> None:
    statements = {"sqlite": APPEND_ONLY.values(), "postgresql": APPEND_ONLY_SERVER}
    for statement in statements.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)


event.listen(audit, "after_create", _make_append_only)


def tables_of(revision: str) -> frozenset[str]:
    """Names of the tables that a gallery of this revision has."""
    known = REVISIONS.index(revision)
    return frozenset(name for name in metadata.tables if REVISIONS.index(LATER_TABLES.get(name, REVISIONS[0])) <= known)
