"""Documents that the routes of a project store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "route_documents",
        sa.Column("id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_route_documents"),
    )
    op.create_index("ix_route_documents_project_kind_id", "route_documents", ["project", "kind", "id"])
    op.create_index("ix_route_documents_project_about", "route_documents", ["project", "about"])
