"""An index for the newest predictions of a project."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Databases that were made while this index was part of the first migration have it already.
    op.create_index(
        "ix_predictions_project_role_prediction_id",
        "predictions",
        ["project", "role", "prediction_id"],
        if_not_exists=True,
    )
