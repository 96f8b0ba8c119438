"""The tables of the metadata database; those of alerts are in `alert_tables`.

Every row carries its project. Instants are aware and in UTC (`Instant`). An `id` is a ULID, so rows sort by
when they were made. `HEAD` is the schema that these tables are; a change here needs a migration and a new `HEAD`.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, LargeBinary, Table

from touchline.storage import alert_tables as alert_tables
from touchline.storage.columns import document, instant, text
from touchline.storage.columns import float_number as _float
from touchline.storage.columns import number as _number
from touchline.storage.metadata import metadata as metadata

HEAD = "0002"

# --- time and work -------------------------------------------------------------------------------

clocks = Table("clocks", metadata, text("project", key=True), instant("instant"))
"""Project clocks that stand still at an instant."""

leases = Table(
    "leases",
    metadata,
    text("name", key=True),
    text("holder"),
    text("process"),
    _number("token"),
    instant("expires_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    text("id", key=True),
    text("name"),
    text("role"),
    text("key_hash"),
    instant("created_at"),
    instant("revoked_at", null=True),
    Index(None, "key_hash", unique=True),
)

# --- ingest --------------------------------------------------------------------------------------

manifests = Table(
    "manifests",
    metadata,
    text("id", key=True),
    text("project"),
    text("source"),
    instant("started_at"),
    instant("finished_at"),
    text("raw_hash"),
    text("snapshot_hash", null=True),
    text("schema_hash"),
    text("status"),
    _number("rows_in"),
    _number("accepted"),
    _number("rejected"),
    _number("added"),
    _number("changed"),
    _number("settled"),
    _number("request_count"),
    _float("duration_seconds"),
    Column("is_backfill", Boolean, nullable=False),
    document("files"),
    text("message"),
    Index(None, "project", "source", "started_at"),
)

snapshots = Table(
    "snapshots",
    metadata,
    text("project", key=True),
    text("source", key=True),
    text("hash", key=True),
    instant("created_at"),
    _number("sequence"),
    _number("rows"),
    text("schema_hash"),
    text("parent_hash", null=True),
    instant("ingested_at"),
    Column("is_appended", Boolean, nullable=False),
    document("keys"),
    document("parts"),
    Index(None, "project", "source", "sequence", unique=True),
)
"""`ingested_at` is project time; `is_appended`: all parts of the parent are in it, and rows known from then on."""

snapshot_heads = Table(
    "snapshot_heads",
    metadata,
    text("project", key=True),
    text("source", key=True),
    text("hash"),
    instant("updated_at"),
    ForeignKeyConstraint(["project", "source", "hash"], ["snapshots.project", "snapshots.source", "snapshots.hash"]),
)
"""The snapshot of each source that is current."""

http_cache = Table(
    "http_cache",
    metadata,
    text("project", key=True),
    text("source", key=True),
    text("url", key=True),
    text("etag", null=True),
    text("last_modified", null=True),
    text("object_key"),
    instant("fetched_at"),
)

http_requests = Table(
    "http_requests",
    metadata,
    text("project", key=True),
    text("source", key=True),
    text("day", key=True),
    _number("count"),
)
"""Requests made per day, for the daily budget."""

# --- features ------------------------------------------------------------------------------------

feature_histories = Table(
    "feature_histories",
    metadata,
    text("project", key=True),
    text("view", key=True),
    text("feature_version", key=True),
    text("hash", key=True),
    _number("rows"),
    _number("quarantined"),
    instant("computed_until"),
    document("snapshots"),
    document("pushed"),
    document("parts"),
    document("pending", null=True),
    instant("created_at"),
)
"""`pending` is the part of rows that were not known yet at `computed_until`; the next computation replaces them."""


materializations = Table(
    "materializations",
    metadata,
    text("id", key=True),
    text("project"),
    text("view"),
    text("feature_version"),
    instant("started_at"),
    instant("finished_at", null=True),
    instant("watermark", null=True),
    _number("rows"),
    text("status"),
    Index(None, "project", "view", "feature_version", "started_at"),
)

# --- training and registry -----------------------------------------------------------------------

training_sets = Table(
    "training_sets",
    metadata,
    text("project", key=True),
    text("hash", key=True),
    text("object_key"),
    _number("rows"),
    document("lineage"),
    instant("created_at"),
)

model_versions = Table(
    "model_versions",
    metadata,
    text("project", key=True),
    _number("version", key=True),
    text("run_id"),
    text("name"),
    text("semantic_version"),
    text("training_set_hash"),
    document("hashes"),
    text("task"),
    document("classes"),
    document("request_fields"),
    _number("rows"),
    _number("clusters"),
    instant("test_from", null=True),
    instant("test_to", null=True),
    text("object_key"),
    instant("created_at"),
    text("ticket", null=True),
    Index(None, "project", "run_id"),
)

version_metrics = Table(
    "version_metrics",
    metadata,
    text("project", key=True),
    _number("version", key=True),
    text("model", key=True),
    text("metric", key=True),
    _float("value", null=True),
    _float("low", null=True),
    _float("high", null=True),
)
"""Test metrics with the ends of their 95 % intervals. `model` is `evaluated`, or `constant` for the baseline."""

stage_changes = Table(
    "stage_changes",
    metadata,
    text("project", key=True),
    _number("sequence", key=True),
    _number("version"),
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
    _number("version"),
    text("digest"),
    text("object_key"),
    instant("created_at"),
    Index(None, "project", "version"),
)

test_looks = Table(
    "test_looks",
    metadata,
    text("project", key=True),
    _number("number", key=True),
    _number("version"),
    text("object_key"),
    instant("newest", null=True),
    _float("fresh_share"),
    _float("alpha_share"),
    _float("unspent"),
    Index(None, "project", "version", unique=True),
)
"""The comparisons of changes on test rows, in order: each one spends a share of alpha, and fresh rows refill it.

`newest` is the newest cutoff looked at; null where the rows have no time."""

# --- serving -------------------------------------------------------------------------------------

predictions = Table(
    "predictions",
    metadata,
    text("prediction_id", key=True),
    text("request_id"),
    text("project"),
    text("release_id"),
    text("role"),
    text("experiment", null=True),
    text("salt", null=True),
    text("variant"),
    _float("probability"),
    Column("override", Boolean, nullable=False),
    text("unit", null=True),
    text("cluster", null=True),
    text("example_id", null=True),
    text("example_source", null=True),
    document("entity_keys"),
    instant("cutoff"),
    instant("answered_at"),
    document("views"),
    document("inputs"),
    Column("vector", LargeBinary, nullable=False),
    document("output"),
    _float("threshold", null=True),
    text("correlation_id", null=True),
    Index(None, "project", "role", "answered_at"),
    Index(None, "project", "example_id"),
    postgresql_partition_by="RANGE (prediction_id)",
)
"""Logged predictions: one row per variant that scored. `vector` is float64, little endian. `example_source` is
"request" where the request named the example, "entity" where it was found by entity keys and inputs. Ids sort by
time (ULID), so on PostgreSQL a range of them is a month: `predictions.partitions` makes those partitions."""

outcomes = Table(
    "outcomes",
    metadata,
    text("project", key=True),
    text("example_id", key=True),
    _number("revision", key=True),
    document("label"),
    instant("label_timestamp"),
    instant("received_at"),
    text("source"),
    Index(None, "project", "received_at"),
)
"""Observed labels, append only: a correction is a new revision."""

open_examples = Table(
    "open_examples",
    metadata,
    text("project", key=True),
    text("example_id", key=True),
    instant("cutoff"),
    text("key_text"),
    document("entity_keys"),
    document("inputs"),
    text("cluster", null=True),
    Index(None, "project", "key_text", "cutoff"),
)
"""Examples whose label is not known as of the last ingest."""

# --- automation and monitoring -------------------------------------------------------------------

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
