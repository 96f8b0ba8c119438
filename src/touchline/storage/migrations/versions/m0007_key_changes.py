"""When API keys expire and were last used, and the journal of their changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # Databases that were made while these were part of the first migration have them already.
    there = sa.inspect(op.get_bind())
    columns = {column["name"] for column in there.get_columns("api_keys")}
    for name in ("last_used_at", "expires_at"):
        if name not in columns:
            op.add_column("api_keys", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    if not there.has_table("key_changes"):
        op.create_table(
            "key_changes",
            sa.Column("id", sa.Text(), autoincrement=False, nullable=False),
            sa.Column("key_id", sa.Text(), nullable=False),
            sa.Column("act", sa.Text(), nullable=False),
            sa.Column("at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("actor", sa.Text(), nullable=False),
            sa.Column("reason", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("id", name="pk_key_changes"),
        )
