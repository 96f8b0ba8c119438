"""Manifests, snapshots, requests to sources."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata, number, real

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
    number("rows_in"),
    number("accepted"),
    number("rejected"),
    number("added"),
    number("changed"),
    number("settled"),
    number("request_count"),
    real("duration_seconds"),
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
    number("sequence"),
    number("rows"),
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
    number("count"),
)
"""Requests made per day, for the daily budget."""
