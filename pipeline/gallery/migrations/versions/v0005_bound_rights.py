"""A seal over the consents and the legal hold of each subject, for encrypted galleries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds the column, empty: who has the key fills it, with `knownface vault rotate`."""
    op.add_column("subjects", sa.Column("rights", sa.Text))
