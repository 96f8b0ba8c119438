"""Logged predictions, outcomes, open examples."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, LargeBinary, Table
from sqlalchemy import text as sql_text

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata, number, real

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
    real("probability"),
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
    real("threshold", null=True),
    text("correlation_id", null=True),
    text("answer_id", null=True),
    real("seconds", null=True),
    Index(None, "project", "role", "answered_at"),
    Index(None, "project", "role", "prediction_id"),
    Index(None, "release_id", "prediction_id"),
    Index(None, "project", "example_id"),
    Index(
        "ix_predictions_experiment",
        "experiment",
        "prediction_id",
        sqlite_where=sql_text("experiment IS NOT NULL"),
        postgresql_where=sql_text("experiment IS NOT NULL"),
    ),
    postgresql_partition_by="RANGE (prediction_id)",
)
"""Logged predictions: one row per variant that scored. `vector` is float64, little endian. `example_source` is
"request" where the request named the example, "entity" where it was found by entity keys and inputs. Ids sort by
time (ULID), so on PostgreSQL a range of them is a month: `predictions.partitions` makes those partitions.

While a rollout runs: `experiment` is its id, `answer_id` the answer that a shadow row stands beside, `seconds` the time
that scoring took."""

outcomes = Table(
    "outcomes",
    metadata,
    text("project", key=True),
    text("example_id", key=True),
    number("revision", key=True),
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
    instant("open_since", null=True),
    Index(None, "project", "key_text", "cutoff"),
)
"""Examples whose label is not known as of the last ingest. `open_since`: a prediction with an earlier cutoff is not
about the example (null: not known)."""

settlements = Table("settlements", metadata, text("project", key=True), instant("settled_at"))
"""Project time at which an ingest last replaced the open examples."""
