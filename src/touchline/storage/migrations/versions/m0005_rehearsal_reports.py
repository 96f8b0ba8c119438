"""Reports of rehearsals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "rehearsal_reports",
        sa.Column("id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rehearsal_reports"),
    )
    op.create_index("ix_rehearsal_reports_project_id", "rehearsal_reports", ["project", "id"])
