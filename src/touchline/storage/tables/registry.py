"""Training sets, versions, stages, releases, looks."""

from __future__ import annotations

from sqlalchemy import Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata, number, real

training_sets = Table(
    "training_sets",
    metadata,
    text("project", key=True),
    text("hash", key=True),
    text("object_key"),
    number("rows"),
    document("lineage"),
    instant("created_at"),
)

model_versions = Table(
    "model_versions",
    metadata,
    text("project", key=True),
    number("version", key=True),
    text("run_id"),
    text("name"),
    text("semantic_version"),
    text("training_set_hash"),
    document("hashes"),
    text("task"),
    document("classes"),
    document("request_fields"),
    number("rows"),
    number("clusters"),
    instant("test_from", null=True),
    instant("test_to", null=True),
    text("object_key"),
    instant("created_at"),
    text("ticket", null=True),
    number("recalibrates", null=True),
    Index(None, "project", "run_id"),
)
"""`recalibrates` is the version whose model this one is, for other class shares."""

version_metrics = Table(
    "version_metrics",
    metadata,
    text("project", key=True),
    number("version", key=True),
    text("model", key=True),
    text("metric", key=True),
    real("value", null=True),
    real("low", null=True),
    real("high", null=True),
)
"""Test metrics with the ends of their 95 % intervals. `model` is `evaluated`, or `constant` for the baseline."""

stage_changes = Table(
    "stage_changes",
    metadata,
    text("project", key=True),
    number("sequence", key=True),
    number("version"),
    text("from_stage"),
    text("to_stage"),
    instant("at"),
    instant("wall_at"),
    text("actor"),
    text("reason"),
    text("ticket", null=True),
    document("gate_report", null=True),
    text("release_id", null=True),
)
"""The journal of stages: append only; (project, sequence) is the compare-and-set."""

releases = Table(
    "releases",
    metadata,
    text("id", key=True),
    text("project"),
    number("version"),
    text("digest"),
    text("object_key"),
    instant("created_at"),
    Index(None, "project", "version"),
)

test_looks = Table(
    "test_looks",
    metadata,
    text("project", key=True),
    number("number", key=True),
    number("version"),
    text("object_key"),
    instant("newest", null=True),
    real("fresh_share"),
    real("alpha_share"),
    real("unspent"),
    Index(None, "project", "version", unique=True),
)
"""The comparisons of changes on test rows, in order: each one spends a share of alpha, and fresh rows refill it.

`newest` is the newest cutoff looked at; null where the rows have no time."""
