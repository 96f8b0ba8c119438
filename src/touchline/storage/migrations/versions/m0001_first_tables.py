"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# A picture of the tables as they were at this revision: it does not follow later changes of `storage.tables`.
_metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _column(name: str, kind: Any, *, key: bool, null: bool) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=key, autoincrement=False, nullable=null)


def _text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return _column(name, sa.Text(), key=key, null=null)


def _number(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return _column(name, sa.BigInteger(), key=key, null=null)


def _float(name: str, *, null: bool = False) -> sa.Column[Any]:
    return _column(name, sa.Double(), key=False, null=null)


def _instant(name: str, *, null: bool = False) -> sa.Column[Any]:
    return _column(name, sa.DateTime(timezone=True), key=False, null=null)


def _document(name: str, *, null: bool = False) -> sa.Column[Any]:
    return _column(name, sa.JSON(), key=False, null=null)


def _boolean(name: str) -> sa.Column[Any]:
    return _column(name, sa.Boolean(), key=False, null=False)


def _bytes(name: str) -> sa.Column[Any]:
    return _column(name, sa.LargeBinary(), key=False, null=False)


def upgrade() -> None:
    _metadata.create_all(op.get_bind(), checkfirst=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE predictions_other PARTITION OF predictions DEFAULT")


sa.Table(
    "clocks",
    _metadata,
    _text("project", key=True),
    _instant("instant"),
)
sa.Table(
    "leases",
    _metadata,
    _text("name", key=True),
    _text("holder"),
    _text("process"),
    _number("token"),
    _instant("expires_at"),
)
sa.Table(
    "api_keys",
    _metadata,
    _text("id", key=True),
    _text("name"),
    _text("role"),
    _text("key_hash"),
    _instant("created_at"),
    _instant("revoked_at", null=True),
    sa.Index(None, "key_hash", unique=True),
)
sa.Table(
    "manifests",
    _metadata,
    _text("id", key=True),
    _text("project"),
    _text("source"),
    _instant("started_at"),
    _instant("finished_at"),
    _text("raw_hash"),
    _text("snapshot_hash", null=True),
    _text("schema_hash"),
    _text("status"),
    _number("rows_in"),
    _number("accepted"),
    _number("rejected"),
    _number("added"),
    _number("changed"),
    _number("settled"),
    _number("request_count"),
    _float("duration_seconds"),
    _boolean("is_backfill"),
    _document("files"),
    _text("message"),
    sa.Index(None, "project", "source", "started_at"),
)
sa.Table(
    "snapshots",
    _metadata,
    _text("project", key=True),
    _text("source", key=True),
    _text("hash", key=True),
    _instant("created_at"),
    _number("sequence"),
    _number("rows"),
    _text("schema_hash"),
    _text("parent_hash", null=True),
    _instant("ingested_at"),
    _boolean("is_appended"),
    _document("keys"),
    _document("parts"),
    sa.Index(None, "project", "source", "sequence", unique=True),
)
sa.Table(
    "snapshot_heads",
    _metadata,
    _text("project", key=True),
    _text("source", key=True),
    _text("hash"),
    _instant("updated_at"),
    sa.ForeignKeyConstraint(["project", "source", "hash"], ["snapshots.project", "snapshots.source", "snapshots.hash"]),
)
sa.Table(
    "http_cache",
    _metadata,
    _text("project", key=True),
    _text("source", key=True),
    _text("url", key=True),
    _text("etag", null=True),
    _text("last_modified", null=True),
    _text("object_key"),
    _instant("fetched_at"),
)
sa.Table(
    "http_requests",
    _metadata,
    _text("project", key=True),
    _text("source", key=True),
    _text("day", key=True),
    _number("count"),
)
sa.Table(
    "feature_histories",
    _metadata,
    _text("project", key=True),
    _text("view", key=True),
    _text("feature_version", key=True),
    _text("hash", key=True),
    _number("rows"),
    _number("quarantined"),
    _instant("computed_until"),
    _document("snapshots"),
    _document("pushed"),
    _document("parts"),
    _document("pending", null=True),
    _instant("created_at"),
)
sa.Table(
    "materializations",
    _metadata,
    _text("id", key=True),
    _text("project"),
    _text("view"),
    _text("feature_version"),
    _instant("started_at"),
    _instant("finished_at", null=True),
    _instant("watermark", null=True),
    _number("rows"),
    _text("status"),
    sa.Index(None, "project", "view", "feature_version", "started_at"),
)
sa.Table(
    "training_sets",
    _metadata,
    _text("project", key=True),
    _text("hash", key=True),
    _text("object_key"),
    _number("rows"),
    _document("lineage"),
    _instant("created_at"),
)
sa.Table(
    "model_versions",
    _metadata,
    _text("project", key=True),
    _number("version", key=True),
    *(_text(name) for name in ("run_id", "name", "semantic_version", "training_set_hash")),
    _document("hashes"),
    _text("task"),
    _document("classes"),
    _document("request_fields"),
    _number("rows"),
    _number("clusters"),
    _instant("test_from", null=True),
    _instant("test_to", null=True),
    _text("object_key"),
    _instant("created_at"),
    _text("ticket", null=True),
    _number("recalibrates", null=True),
    sa.Index(None, "project", "run_id"),
)
sa.Table(
    "version_metrics",
    _metadata,
    _text("project", key=True),
    _number("version", key=True),
    _text("model", key=True),
    _text("metric", key=True),
    _float("value", null=True),
    _float("low", null=True),
    _float("high", null=True),
)
sa.Table(
    "stage_changes",
    _metadata,
    _text("project", key=True),
    _number("sequence", key=True),
    _number("version"),
    _text("from_stage"),
    _text("to_stage"),
    _instant("at"),
    _instant("wall_at"),
    _text("actor"),
    _text("reason"),
    _text("ticket", null=True),
    _document("gate_report", null=True),
    _text("release_id", null=True),
)
sa.Table(
    "releases",
    _metadata,
    _text("id", key=True),
    _text("project"),
    _number("version"),
    _text("digest"),
    _text("object_key"),
    _instant("created_at"),
    sa.Index(None, "project", "version"),
)
sa.Table(
    "test_looks",
    _metadata,
    _text("project", key=True),
    _number("number", key=True),
    _number("version"),
    _text("object_key"),
    _instant("newest", null=True),
    _float("fresh_share"),
    _float("alpha_share"),
    _float("unspent"),
    sa.Index(None, "project", "version", unique=True),
)
sa.Table(
    "rollouts",
    _metadata,
    _text("project", key=True),
    _number("number", key=True),
    _text("id"),
    _text("salt"),
    _document("rule"),
    _text("rule_hash"),
    _document("plan", null=True),
    _instant("started_at"),
    _instant("started_wall_at"),
    _text("actor"),
    _text("reason"),
    sa.Index(None, "id", unique=True),
)
sa.Table(
    "rollout_events",
    _metadata,
    _text("project", key=True),
    _number("sequence", key=True),
    _number("number"),
    _text("kind"),
    _number("share"),
    _instant("at"),
    _instant("wall_at"),
    _text("actor"),
    _text("message"),
    _document("evidence", null=True),
    sa.ForeignKeyConstraint(["project", "number"], ["rollouts.project", "rollouts.number"]),
)
sa.Table(
    "predictions",
    _metadata,
    _text("prediction_id", key=True),
    _text("request_id"),
    _text("project"),
    _text("release_id"),
    _text("role"),
    _text("experiment", null=True),
    _text("salt", null=True),
    _text("variant"),
    _float("probability"),
    _boolean("override"),
    _text("unit", null=True),
    _text("cluster", null=True),
    _text("example_id", null=True),
    _text("example_source", null=True),
    _document("entity_keys"),
    _instant("cutoff"),
    _instant("answered_at"),
    _document("views"),
    _document("inputs"),
    _bytes("vector"),
    _document("output"),
    _float("threshold", null=True),
    _text("correlation_id", null=True),
    _text("answer_id", null=True),
    _float("seconds", null=True),
    sa.Index(None, "project", "role", "answered_at"),
    sa.Index(None, "project", "example_id"),
    sa.Index(
        "ix_predictions_experiment",
        "experiment",
        "prediction_id",
        sqlite_where=sa.text("experiment IS NOT NULL"),
        postgresql_where=sa.text("experiment IS NOT NULL"),
    ),
    postgresql_partition_by="RANGE (prediction_id)",
)
sa.Table(
    "outcomes",
    _metadata,
    _text("project", key=True),
    _text("example_id", key=True),
    _number("revision", key=True),
    _document("label"),
    _instant("label_timestamp"),
    _instant("received_at"),
    _text("source"),
    sa.Index(None, "project", "received_at"),
)
sa.Table(
    "open_examples",
    _metadata,
    _text("project", key=True),
    _text("example_id", key=True),
    _instant("cutoff"),
    _text("key_text"),
    _document("entity_keys"),
    _document("inputs"),
    _text("cluster", null=True),
    _instant("open_since", null=True),
    sa.Index(None, "project", "key_text", "cutoff"),
)
sa.Table("settlements", _metadata, _text("project", key=True), _instant("settled_at"))
for _reports in ("drift_reports", "performance_reports"):
    sa.Table(
        _reports,
        _metadata,
        _text("id", key=True),
        _text("project"),
        _instant("at"),
        _text("release_id"),
        _document("verdict"),
        sa.Index(None, "project", "at"),
    )
