"""Pipeline runs and drift reports."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata

pipeline_runs = Table(
    "pipeline_runs",
    metadata,
    text("id", key=True),
    text("project"),
    text("trigger"),
    instant("started_at"),
    instant("finished_at", null=True),
    text("status"),
    document("detail"),
    Index(None, "project", "started_at"),
)

pipeline_steps = Table(
    "pipeline_steps",
    metadata,
    text("run_id", key=True),
    text("name", key=True),
    instant("started_at"),
    instant("finished_at", null=True),
    text("status"),
    document("output", null=True),
    ForeignKeyConstraint(["run_id"], ["pipeline_runs.id"]),
)

drift_reports = Table(
    "drift_reports",
    metadata,
    text("id", key=True),
    text("project"),
    instant("at"),
    text("release_id"),
    document("verdict"),
    Index(None, "project", "at"),
)

performance_reports = Table(
    "performance_reports",
    metadata,
    text("id", key=True),
    text("project"),
    instant("at"),
    text("release_id"),
    document("verdict"),
    Index(None, "project", "at"),
)
