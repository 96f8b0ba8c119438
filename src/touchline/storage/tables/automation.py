"""Runs of the pipeline, the schedule that asks for them, and the reports of monitoring."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata, number

pipeline_runs = Table(
    "pipeline_runs",
    metadata,
    text("id", key=True),
    text("project"),
    text("job"),
    text("trigger"),
    text("request_key"),
    text("actor"),
    text("reason"),
    instant("requested_at"),
    instant("project_time"),
    instant("started_at", null=True),
    instant("finished_at", null=True),
    text("status"),
    number("attempts"),
    number("token", null=True),
    text("code_hash", null=True),
    document("detail"),
    Index(None, "project", "requested_at"),
    Index(None, "project", "status", "id"),
    Index(None, "project", "request_key", unique=True),
)
"""Runs that were asked for. `request_key` is unique: what asks twice with one key finds one run. `token` is the fencing
token of the lease under which the run goes on; `project_time` is when it was asked for by the project's clock."""

pipeline_steps = Table(
    "pipeline_steps",
    metadata,
    text("run_id", key=True),
    number("attempt", key=True),
    text("name", key=True),
    instant("started_at"),
    instant("finished_at", null=True),
    text("status"),
    document("output", null=True),
    ForeignKeyConstraint(["run_id"], ["pipeline_runs.id"]),
)

schedule_ticks = Table(
    "schedule_ticks",
    metadata,
    text("project", key=True),
    text("job", key=True),
    text("trigger", key=True),
    instant("scheduled_at", key=True),
    instant("decided_at"),
    text("verdict"),
    text("reason"),
    text("run_id", null=True),
)
"""Each time a job was due, decided once by whichever scheduler came first: `run`, or `nothing` with the reason."""

schedule_events = Table(
    "schedule_events",
    metadata,
    text("project", key=True),
    number("sequence", key=True),
    text("job"),
    text("event"),
    instant("at"),
    instant("wall_at"),
    text("actor"),
    text("reason"),
)
"""What happened to a schedule: `began`, `paused`, `resumed`. A job counts its times from its first event on."""

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
