"""An index for the predictions of a release."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index(
        "ix_predictions_release_id_prediction_id", "predictions", ["release_id", "prediction_id"], if_not_exists=True
    )
