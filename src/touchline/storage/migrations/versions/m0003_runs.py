"""Runs of the pipeline with their steps, decided times of schedules, and their pauses."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), primary_key=key, autoincrement=False, nullable=null)


def _instant(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), primary_key=key, autoincrement=False, nullable=null)


def _number(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), primary_key=key, autoincrement=False, nullable=null)


def _document(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=null)


def upgrade() -> None:
    _runs()
    _schedule()


def _runs() -> None:
    op.create_table(
        "pipeline_runs",
        _text("id", key=True),
        *(_text(name) for name in ("project", "job", "trigger", "request_key", "actor", "reason")),
        _instant("requested_at"),
        _instant("project_time"),
        _instant("started_at", null=True),
        _instant("finished_at", null=True),
        _text("status"),
        _number("attempts"),
        _number("token", null=True),
        _text("code_hash", null=True),
        _document("detail"),
        sa.PrimaryKeyConstraint("id", name="pk_pipeline_runs"),
    )
    op.create_index("ix_pipeline_runs_project_requested_at", "pipeline_runs", ["project", "requested_at"])
    op.create_index("ix_pipeline_runs_project_status_id", "pipeline_runs", ["project", "status", "id"])
    op.create_index("ix_pipeline_runs_project_request_key", "pipeline_runs", ["project", "request_key"], unique=True)
    op.create_table(
        "pipeline_steps",
        _text("run_id", key=True),
        _number("attempt", key=True),
        _text("name", key=True),
        _instant("started_at"),
        _instant("finished_at", null=True),
        _text("status"),
        _document("output", null=True),
        sa.PrimaryKeyConstraint("run_id", "attempt", "name", name="pk_pipeline_steps"),
        sa.ForeignKeyConstraint(["run_id"], ["pipeline_runs.id"], name="fk_pipeline_steps_pipeline_runs"),
    )


def _schedule() -> None:
    op.create_table(
        "schedule_ticks",
        *(_text(name, key=True) for name in ("project", "job", "trigger")),
        _instant("scheduled_at", key=True),
        _instant("decided_at"),
        _text("verdict"),
        _text("reason"),
        _text("run_id", null=True),
        sa.PrimaryKeyConstraint("project", "job", "trigger", "scheduled_at", name="pk_schedule_ticks"),
    )
    op.create_table(
        "schedule_events",
        _text("project", key=True),
        _number("sequence", key=True),
        _text("job"),
        _text("event"),
        _instant("at"),
        _instant("wall_at"),
        _text("actor"),
        _text("reason"),
        sa.PrimaryKeyConstraint("project", "sequence", name="pk_schedule_events"),
    )
