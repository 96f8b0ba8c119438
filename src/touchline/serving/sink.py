"""Prediction rows into the metadata database: whole batches, each row once, examples resolved on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from touchline.serving.prediction_log import Row
from touchline.storage import Database
from touchline.storage.tables import open_examples, predictions

_ABSENT = dict.fromkeys(("experiment", "salt", "unit", "cluster", "example_id", "threshold", "correlation_id"))


def key_text(entity_keys: Mapping[str, object]) -> str:
    """One text for one set of entity keys, whatever their order.

    >>> key_text({"b": "2", "a": "1"})
    '{"a":"1","b":"2"}'
    """
    return orjson.dumps({name: str(entity_keys[name]) for name in sorted(entity_keys)}).decode()


class DatabaseSink:
    """Writes rows to `predictions`. A row that is there already stays as it is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        records = [_record(row) for row in rows]
        # A row depends on nothing stored but its example, so it waits for no other writer on PostgreSQL.
        with self._database.append() as connection:
            _resolve_examples(connection, records)
            connection.execute(_insert(connection), records)


def _insert(connection: sa.Connection) -> sa.Insert:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert(predictions).on_conflict_do_nothing()
    return sa.insert(predictions).prefix_with("OR IGNORE", dialect="sqlite")


def _record(row: Row) -> dict[str, Any]:
    return {
        **_ABSENT,
        **row,
        "cutoff": datetime.fromisoformat(row["cutoff"]),
        "answered_at": datetime.fromisoformat(row["answered_at"]),
        "vector": bytes.fromhex(row["vector"]),
    }


def _resolve_examples(connection: sa.Connection, records: Sequence[dict[str, Any]]) -> None:
    """A request named who, not which example: take the open one of the same keys that comes first after the cutoff."""
    unnamed = [record for record in records if record["example_id"] is None and record["entity_keys"]]
    named = [record for record in records if record["example_id"] is not None and record["cluster"] is None]
    if unnamed:
        _name(connection, unnamed)
    if named:
        _give_clusters(connection, named)


def _name(connection: sa.Connection, records: Sequence[dict[str, Any]]) -> None:
    wanted = {(record["project"], key_text(record["entity_keys"])) for record in records}
    found: dict[tuple[str, str], list[Any]] = {}
    for project in {project for project, _ in wanted}:
        texts = [text for owner, text in wanted if owner == project]
        query = (
            sa.select(open_examples)
            .where(open_examples.c.project == project, open_examples.c.key_text.in_(texts))
            .order_by(open_examples.c.cutoff, open_examples.c.example_id)
        )
        for example in connection.execute(query):
            found.setdefault((project, example.key_text), []).append(example)
    for record in records:
        candidates = found.get((record["project"], key_text(record["entity_keys"])), ())
        for example in candidates:
            if example.cutoff >= record["cutoff"]:
                record["example_id"], record["cluster"] = example.example_id, example.cluster
                break


def _give_clusters(connection: sa.Connection, records: Sequence[dict[str, Any]]) -> None:
    for project in {record["project"] for record in records}:
        ids = {record["example_id"] for record in records if record["project"] == project}
        query = sa.select(open_examples.c.example_id, open_examples.c.cluster).where(
            open_examples.c.project == project, open_examples.c.example_id.in_(ids)
        )
        clusters = {found.example_id: found.cluster for found in connection.execute(query)}
        for record in records:
            if record["project"] == project:
                record["cluster"] = clusters.get(record["example_id"])
