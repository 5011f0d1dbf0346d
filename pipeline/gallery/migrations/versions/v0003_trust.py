"""Consent, legal holds and the audit log: what they need beyond the first schema; and an opaque id for each subject."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Adds the columns and tables; everybody who is enrolled gets an opaque id, and the chain its first end."""
    op.add_column("subjects", sa.Column("uid", sa.String(32), nullable=False, server_default=""))
    random = "lower(hex(randomblob(16)))" if _on("sqlite") else "replace(gen_random_uuid()::text, '-', '')"
    op.execute(f"UPDATE subjects SET uid = {random}")  # noqa: S608 - one of two constants
    op.create_index("subjects_uid", "subjects", ["uid"], unique=True)
    for name in ("text_version", "given_by"):
        op.add_column("consent", sa.Column(name, sa.Text))
    op.add_column("consent", sa.Column("recorded_by", sa.Text, nullable=False, server_default=""))
    _holds()
    _audit()


def _on(dialect: str) -> bool:
    return op.get_bind().dialect.name == dialect


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("id", _BigId, primary_key=True),
        sa.Column("subject_id", _BigId, sa.ForeignKey("subjects.id", ondelete="CASCADE"), nullable=False, unique=True),
        sa.Column("placed_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def _audit() -> None:
    op.create_index("audit_target", "audit", ["target"])
    one_row = sa.CheckConstraint("id = 1", name="audit_head_one_row")
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, one_row, primary_key=True, autoincrement=False),
        sa.Column("chain_id", sa.String(32), nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("last_hash", sa.String(64), nullable=False),
        sa.Column("signed_entries", sa.BigInteger, nullable=False),
        sa.Column("signed_hash", sa.String(64), nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )
    empty = {"entries": 0, "last_hash": "0" * 64, "signed_entries": 0, "signed_hash": "0" * 64}
    op.bulk_insert(head, [{"id": 1, "chain_id": uuid.uuid4().hex, **empty, "key_id": "", "signature": ""}])
    if _on("sqlite"):
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{what.lower()} BEFORE {what} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )
    if _on("postgresql"):
        op.execute(
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION ''the audit log is append-only''; END'"
        )
        op.execute(
            "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit "
            "FOR EACH ROW EXECUTE FUNCTION audit_append_only()"
        )
        op.execute(
            "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )
