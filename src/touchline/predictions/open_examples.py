"""The table of open examples: those whose label is not known as of the last ingest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import orjson
import sqlalchemy as sa

from touchline.predictions.records import slices
from touchline.storage import Database
from touchline.storage.tables import open_examples, settlements

_KEYS_AT_ONCE = 5000
_COLUMNS = open_examples.c

ExampleSource = Literal["request", "entity"]


@dataclass(frozen=True)
class OpenExample:
    """An example that may be predicted next.

    `entity_keys` are texts, without those that are null; `inputs` are the raw inputs of the model as JSON values.
    `open_since` is the earliest project time at which it can have been open: the ingest before the one that brought it,
    or that one itself where it was the first. None: not known.
    """

    example_id: str
    cutoff: datetime
    entity_keys: Mapping[str, str]
    cluster: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    open_since: datetime | None = None


class OpenExampleRecords:
    """Reads and replaces the open examples of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def read(
        self, *, after: datetime | None = None, before: datetime | None = None, limit: int | None = None
    ) -> list[OpenExample]:
        """The open examples by cutoff, the earliest first: of cutoffs from `after` on, and before `before`."""
        condition = sa.true() if after is None else _COLUMNS.cutoff >= after
        if before is not None:
            condition &= _COLUMNS.cutoff < before
        with self._database.connect() as connection:
            return _read(connection, self._project, condition, limit)

    def find(self, example_ids: Collection[str]) -> dict[str, OpenExample]:
        """The open examples among these ids."""
        examples: dict[str, OpenExample] = {}
        with self._database.connect() as connection:
            for ids in slices(set(example_ids), _KEYS_AT_ONCE):
                found = _read(connection, self._project, _COLUMNS.example_id.in_(ids))
                examples |= {example.example_id: example for example in found}
        return examples

    def replace(
        self, connection: sa.Connection, examples: Sequence[OpenExample], *, now: datetime
    ) -> Sequence[OpenExample]:
        """Make these the open examples within a transaction of the caller; those that are new or have changed.

        Only rows that differ are written. An example that was open before keeps its `open_since`; a new one opened
        after the last call at the earliest, since it was not among those examples.
        """
        before = {example.example_id: example for example in _read(connection, self._project, sa.true())}
        since = self._settled_before(connection, now) if examples else None
        since = None if since == now and before else since  # examples of a home that did not store it yet
        dated = [
            replace(one, open_since=before[one.example_id].open_since if one.example_id in before else since)
            for one in examples
        ]
        after = {example.example_id: example for example in dated}
        stale = [{"id": example_id} for example_id, example in before.items() if after.get(example_id) != example]
        fresh = [example for example_id, example in after.items() if before.get(example_id) != example]
        if stale:
            mine = (_COLUMNS.project == self._project) & (_COLUMNS.example_id == sa.bindparam("id"))
            connection.execute(open_examples.delete().where(mine), stale)
        if fresh:
            rows = [{**vars(one), "project": self._project, "key_text": key_text(one.entity_keys)} for one in fresh]
            connection.execute(sa.insert(open_examples), rows)
        self._write_settled(connection, now)
        return fresh

    def _settled_before(self, connection: sa.Connection, now: datetime) -> datetime:
        """Project time of the last call of `replace`; `now` where there was none."""
        query = sa.select(settlements.c.settled_at).where(settlements.c.project == self._project)
        return connection.scalar(query) or now

    def _write_settled(self, connection: sa.Connection, now: datetime) -> None:
        mine = settlements.c.project == self._project
        if not connection.execute(sa.update(settlements).where(mine).values(settled_at=now)).rowcount:
            connection.execute(sa.insert(settlements).values(project=self._project, settled_at=now))

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
        sa.select(*(_COLUMNS[one.name] for one in fields(OpenExample)))
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


class _Example(Protocol):
    @property
    def cutoff(self) -> Any: ...
    @property
    def open_since(self) -> Any: ...
    @property
    def inputs(self) -> Mapping[str, Any]: ...


Example = TypeVar("Example", bound=_Example)


def only_example(examples: Iterable[Example], cutoff: Any, inputs: Mapping[str, Any]) -> Example | None:
    """The one open example of an entity that a prediction can be about; None where several fit, or none.

    It fits when it was open at the prediction's cutoff: that is not past its own, and not before `open_since`. The
    inputs that both have are equal.
    """
    fitting = [example for example in examples if _was_open(example, cutoff) and _agree(example.inputs, inputs)]
    return fitting[0] if len(fitting) == 1 else None


def _was_open(example: _Example, cutoff: Any) -> bool:
    return bool(example.cutoff >= cutoff and (example.open_since is None or example.open_since <= cutoff))


def _agree(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    return all(stored.get(name, value) == value for name, value in given.items())


# --- for rows on their way into the log, before SQLAlchemy has made anything of them ---


class RowExample(NamedTuple):
    """An open example as SQLite holds it; the instants are texts that sort by time."""

    cutoff: str
    open_since: str | None
    example_id: str
    cluster: str | None
    inputs: Mapping[str, Any]


class ExamplesOfRows:
    """The open examples that log rows are about: the named one, or the only one that fits. SQLite only."""

    def __init__(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        by_id, by_key = set(), set()
        for row in rows:
            if row["example_id"] is not None:
                by_id.add((row["project"], row["example_id"]))
            elif row["entity_keys"] != "{}":
                by_key.add((row["project"], row["entity_keys"]))
        self._by_id = _read_rows(connection, "example_id", by_id)
        self._by_key = _read_rows(connection, "key_text", by_key)

    def of(self, row: Mapping[str, Any]) -> tuple[str | None, ExampleSource | None, str | None]:
        """The example of a row, how it was found, and its cluster."""
        project, example_id = row["project"], row["example_id"]
        if example_id is not None:
            named = self._by_id.get((project, example_id))
            return example_id, "request", named[0].cluster if named else None
        examples = self._by_key.get((project, row["entity_keys"]))
        example = only_example(examples, row["cutoff"], orjson.loads(row["inputs"])) if examples else None
        return (example.example_id, "entity", example.cluster) if example else (None, None, None)


def _read_rows(
    connection: sa.Connection, column: str, values: set[tuple[str, str]]
) -> dict[tuple[str, str], list[RowExample]]:
    examples: dict[tuple[str, str], list[RowExample]] = {}
    for project in {project for project, _ in values}:
        for part in slices([value for owner, value in values if owner == project], _KEYS_AT_ONCE):
            query = (
                f"SELECT {column}, cutoff, open_since, example_id, cluster, inputs FROM {open_examples.name} "
                f"WHERE project = ? AND {column} IN ({', '.join('?' * len(part))}) ORDER BY cutoff, example_id"
            )
            for value, *columns, inputs in connection.exec_driver_sql(query, (project, *part)):
                example = RowExample._make((*columns, orjson.loads(inputs)))
                examples.setdefault((project, value), []).append(example)
    return examples


POSTGRES_EXAMPLES = f"""LEFT JOIN LATERAL (
    SELECT min(o.example_id) AS example_id, min(o.cluster) AS cluster FROM (
        SELECT example_id, cluster FROM {open_examples.name}
        WHERE project = rows.project AND example_id = rows.example_id
        UNION ALL
        SELECT example_id, cluster FROM {open_examples.name}
        WHERE project = rows.project
            AND rows.example_id IS NULL
            AND rows.entity_keys\\:\\:text <> '{{}}'
            AND key_text = rows.entity_keys\\:\\:text
            AND cutoff >= rows.cutoff
            AND (open_since IS NULL OR open_since <= rows.cutoff)
            AND NOT EXISTS (
                SELECT 1 FROM jsonb_each(inputs\\:\\:jsonb) stored
                JOIN jsonb_each(rows.inputs\\:\\:jsonb) given USING (key)
                WHERE stored.value <> given.value)) o
    HAVING count(*) = 1) AS open_example ON true"""
"""The same as SQL: a join that gives `open_example` of a log row `rows`, whose documents are of type json.

Two lookups, each by an index: with one condition of both, every row read all open examples of its project.
"""

POSTGRES_COLUMNS = {
    "example_id": "coalesce(rows.example_id, open_example.example_id)",
    "example_source": (
        "CASE WHEN rows.example_id IS NOT NULL THEN 'request' "
        "WHEN open_example.example_id IS NOT NULL THEN 'entity' END"
    ),
    "cluster": "open_example.cluster",
}
