"""The first schema: subjects, samples, templates, tombstones, consent and audit."""

from __future__ import annotations

import time
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Makes the tables and the one row of meta."""
    one_row = sa.CheckConstraint("id = 1", name="meta_one_row")
    meta = op.create_table(
        "meta",
        sa.Column("id", sa.Integer, one_row, primary_key=True, autoincrement=False),
        sa.Column("gallery_id", sa.String(32), nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("removal", sa.BigInteger, nullable=False),
        sa.Column("horizon", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
    )
    now_us = time.time_ns() // 1000
    row = {"id": 1, "gallery_id": uuid.uuid4().hex, "generation": 0, "removal": 0, "horizon": 0, "created_us": now_us}
    op.bulk_insert(meta, [row])
    _people()
    _vectors()
    _records()


def _people() -> None:
    op.create_table(
        "subjects",
        sa.Column("id", _BigId, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("subjects_folded", "subjects", ["folded", "name"])
    op.create_index("subjects_changed", "subjects", ["changed"])
    op.create_table(
        "samples",
        sa.Column("id", _BigId, primary_key=True),
        sa.Column("uid", sa.String(32), nullable=False, unique=True),
        sa.Column("subject_id", _BigId, sa.ForeignKey("subjects.id", ondelete="CASCADE"), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("photo_sha256", sa.String(64), nullable=False),
        sa.Column("box_x0", sa.Float, nullable=False),
        sa.Column("box_y0", sa.Float, nullable=False),
        sa.Column("box_x1", sa.Float, nullable=False),
        sa.Column("box_y1", sa.Float, nullable=False),
        sa.Column("landmarks", sa.LargeBinary, nullable=False),
        sa.Column("image_h", sa.Integer, nullable=False),
        sa.Column("image_w", sa.Integer, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("quality", sa.Float),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("crop", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    op.create_index("samples_subject", "samples", ["subject_id"])
    op.create_index("samples_photo", "samples", ["photo_sha256"])
    op.create_index("samples_changed", "samples", ["changed"])


def _vectors() -> None:
    op.create_table(
        "templates",
        sa.Column("id", _BigId, primary_key=True),
        sa.Column("sample_id", _BigId, sa.ForeignKey("samples.id", ondelete="CASCADE"), nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("norm", sa.Float, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("sample_id", "model_id", name="templates_sample_model"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "removed",
        sa.Column("template_id", _BigId, primary_key=True, autoincrement=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )
    op.create_index("removed_generation", "removed", ["generation"])


def _records() -> None:
    op.create_table(
        "consent",
        sa.Column("id", _BigId, primary_key=True),
        sa.Column("subject_id", _BigId, sa.ForeignKey("subjects.id", ondelete="CASCADE"), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("given_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger),
        sa.Column("withdrawn_us", sa.BigInteger),
        sa.Column("evidence", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("consent_subject", "consent", ["subject_id"])
    op.create_table(
        "audit",
        sa.Column("id", _BigId, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("entry_hash", sa.String(64), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_at", "audit", ["at_us"])
