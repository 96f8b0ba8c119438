"""The table of open examples: those whose label is not known as of the last ingest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import orjson
import sqlalchemy as sa

from touchline.predictions.records import slices
from touchline.storage import Database
from touchline.storage.tables import open_examples

_KEYS_AT_ONCE = 5000
_COLUMNS = open_examples.c


@dataclass(frozen=True)
class OpenExample:
    """An example that may be predicted next."""

    example_id: str
    cutoff: datetime
    entity_keys: Mapping[str, str]
    cluster: str | None = None


class OpenExampleRecords:
    """Reads and replaces the open examples of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def read(self, *, after: datetime | None = None, limit: int | None = None) -> list[OpenExample]:
        """The open examples by cutoff, the earliest first; with `after`, those whose cutoff has not passed."""
        condition = sa.true() if after is None else _COLUMNS.cutoff >= after
        with self._database.connect() as connection:
            return _read(connection, self._project, condition, limit)

    def replace(self, connection: sa.Connection, examples: Sequence[OpenExample]) -> Sequence[OpenExample]:
        """Make these the open examples within a transaction of the caller; those that are new or have changed.

        Only rows that differ are written.
        """
        before = {example.example_id: example for example in _read(connection, self._project, sa.true())}
        after = {example.example_id: example for example in examples}
        stale = [{"id": example_id} for example_id, example in before.items() if after.get(example_id) != example]
        fresh = [example for example_id, example in after.items() if before.get(example_id) != example]
        if stale:
            mine = (_COLUMNS.project == self._project) & (_COLUMNS.example_id == sa.bindparam("id"))
            connection.execute(open_examples.delete().where(mine), stale)
        if fresh:
            rows = [{**vars(one), "project": self._project, "key_text": key_text(one.entity_keys)} for one in fresh]
            connection.execute(sa.insert(open_examples), rows)
        return fresh

    def of_entities(self, connection: sa.Connection, key_texts: Collection[str]) -> Mapping[str, Sequence[OpenExample]]:
        """The open examples of each of these entities, by cutoff."""
        by_key: dict[str, list[OpenExample]] = {key: [] for key in key_texts}
        for example in _read(connection, self._project, _COLUMNS.key_text.in_(key_texts)):
            by_key[key_text(example.entity_keys)].append(example)
        return by_key

    def has(self, example_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """The condition that the example of a column is open."""
        return sa.exists().where(_COLUMNS.project == self._project, _COLUMNS.example_id == example_id)


def _read(
    connection: sa.Connection, project: str, condition: sa.ColumnElement[bool], limit: int | None = None
) -> list[OpenExample]:
    query = (
        sa.select(_COLUMNS.example_id, _COLUMNS.cutoff, _COLUMNS.entity_keys, _COLUMNS.cluster)
        .where(_COLUMNS.project == project, condition)
        .order_by(_COLUMNS.cutoff, _COLUMNS.example_id)
    )
    return [OpenExample(*row) for row in connection.execute(query.limit(limit))]


def key_text(entity_keys: Mapping[str, object]) -> str:
    """One text for one set of entity keys, whatever their order, as a log row holds it.

    >>> key_text({"b": "2", "a": 1})
    '{"a":"1","b":"2"}'
    """
    return orjson.dumps({name: str(entity_keys[name]) for name in sorted(entity_keys)}).decode()


def next_example(examples: Iterable[Example], cutoff: Any) -> Example | None:
    """The first of an entity's open examples, given by cutoff, that a prediction of this cutoff can be about."""
    return next((example for example in examples if example.cutoff >= cutoff), None)


# --- for rows on their way into the log, before SQLAlchemy has made anything of them ---


class RowExample(NamedTuple):
    """An open example as SQLite holds it; the cutoff is text that sorts by time."""

    cutoff: str
    example_id: str
    cluster: str | None


Example = TypeVar("Example", OpenExample, RowExample)


class ExamplesOfRows:
    """The open examples that log rows are about: the one a row names, or the next one of its entity. SQLite only."""

    def __init__(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        by_id, by_key = set(), set()
        for row in rows:
            if row["example_id"] is not None:
                by_id.add((row["project"], row["example_id"]))
            elif row["entity_keys"] != "{}":
                by_key.add((row["project"], row["entity_keys"]))
        self._by_id = _read_rows(connection, "example_id", by_id)
        self._by_key = _read_rows(connection, "key_text", by_key)

    def of(self, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """The example and cluster of a row."""
        project, example_id = row["project"], row["example_id"]
        if example_id is not None:
            named = self._by_id.get((project, example_id))
            return example_id, named[0].cluster if named else None
        example = next_example(self._by_key.get((project, row["entity_keys"]), ()), row["cutoff"])
        return (example.example_id, example.cluster) if example else (None, None)


def _read_rows(
    connection: sa.Connection, column: str, values: set[tuple[str, str]]
) -> dict[tuple[str, str], list[RowExample]]:
    examples: dict[tuple[str, str], list[RowExample]] = {}
    for project in {project for project, _ in values}:
        for part in slices([value for owner, value in values if owner == project], _KEYS_AT_ONCE):
            query = (
                f"SELECT {column}, cutoff, example_id, cluster FROM {open_examples.name} WHERE project = ? "
                f"AND {column} IN ({', '.join('?' * len(part))}) ORDER BY cutoff, example_id"
            )
            for value, *example in connection.exec_driver_sql(query, (project, *part)):
                examples.setdefault((project, value), []).append(RowExample(*example))
    return examples


def postgres_example(column: str) -> str:
    """The same as SQL: a column of the open example that the log row `value`, a JSON object, is about."""
    return f"""coalesce(value->>'{column}', (
    SELECT o.{column} FROM {open_examples.name} o
    WHERE o.project = value->>'project'
      AND (o.example_id = value->>'example_id'
           OR (value->>'example_id' IS NULL
               AND o.key_text = value->>'entity_keys'
               AND o.cutoff >= ((value->>'cutoff') || '+00')\\:\\:timestamptz))
    ORDER BY o.cutoff, o.example_id LIMIT 1))"""
