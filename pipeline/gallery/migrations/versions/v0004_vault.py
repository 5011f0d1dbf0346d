"""Encryption at rest: the wrapped data keys of a gallery."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the table, without a row: nothing is encrypted until somebody says so."""
    one_row = sa.CheckConstraint("id = 1", name="vault_one_row")
    op.create_table(
        "vault",
        sa.Column("id", sa.Integer, one_row, primary_key=True, autoincrement=False),
        sa.Column("vault_id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.Column("master_id", sa.String(16), nullable=False),
        sa.Column("wrapped", sa.Text, nullable=False),
    )
