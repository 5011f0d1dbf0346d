"""Documents: what belongs to the gallery as a whole and to one model, such as the operating points of a calibration."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "documents",
        sa.Column("id", _BigId, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("kind", "model_id", name="documents_kind_model"),
        sqlite_autoincrement=True,
    )
