"""Every ingest settles outcomes: the declared examples say which are open and what became of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from touchline.predictions.database_writer import key_text
from touchline.predictions.outcomes import Outcome, chunks, newest_labels, same_label
from touchline.storage import Database
from touchline.storage.tables import open_examples, outcomes, predictions

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Settled:
    """What one ingest meant for predictions."""

    settled: int
    corrected: int
    unchanged: int
    open: int
    named: int


def settle_outcomes(
    database: Database, project: str, examples: pl.DataFrame, *, entity_columns: Sequence[str], now: datetime
) -> Settled:
    """Record the labels of examples that were predicted or open, and keep the list of open examples.

    `examples` has example_id, cutoff, label, label_timestamp, maybe cluster, and the entity columns; a null label is
    to be predicted. A label known only after `now` counts as null. Running it again with the same rows changes nothing.
    """
    unlabelled = examples["label"].is_null() | (examples["label_timestamp"] > now).fill_null(False)
    with database.begin() as connection:
        labelled = examples.filter(~unlabelled).with_columns(examples["example_id"].cast(str).filter(~unlabelled))
        watched = _watched(connection, project, labelled["example_id"].to_list())
        counts = _record(connection, project, labelled.filter(labelled["example_id"].is_in(watched)), now)
        still_open = _open_rows(project, examples.filter(unlabelled), entity_columns)
        fresh = _keep_open(connection, project, still_open)
        named = _name_unnamed(connection, project, fresh) if entity_columns else 0
    return Settled(counts["recorded"], counts["corrected"], counts["unchanged"], len(still_open), named)


@dataclass(frozen=True)
class OpenExample:
    """An example whose label is not known yet: what may be predicted next."""

    example_id: str
    cutoff: datetime
    entity_keys: Mapping[str, str]
    cluster: str | None


def open_examples_of(
    database: Database, project: str, *, after: datetime | None = None, limit: int | None = None
) -> list[OpenExample]:
    """The open examples of a project, the earliest cutoff first; `after` leaves out those whose cutoff has passed."""
    query = (
        sa.select(open_examples)
        .where(open_examples.c.project == project)
        .order_by(open_examples.c.cutoff, open_examples.c.example_id)
    )
    if after is not None:
        query = query.where(open_examples.c.cutoff >= after)
    with database.connect() as connection:
        found = connection.execute(query.limit(limit)).all()
    return [OpenExample(row.example_id, row.cutoff, row.entity_keys, row.cluster) for row in found]


def _watched(connection: sa.Connection, project: str, example_ids: Sequence[str]) -> list[str]:
    """Those of the examples whose label matters to something that was said, will be said, or was recorded.

    Each is looked up, so that the time goes with the examples and not with all that was ever predicted.
    """
    found: list[str] = []
    for chunk in chunks(example_ids):
        asked = _as_rows(connection, chunk)
        matters = [
            sa.exists().where(table.c.project == project, table.c.example_id == asked.c.value)
            for table in (open_examples, predictions, outcomes)
        ]
        found += connection.scalars(sa.select(asked.c.value).where(sa.or_(*matters)))
    return found


def _as_rows(connection: sa.Connection, values: Sequence[str]) -> sa.TableValuedAlias:
    """Texts as a table with the column `value`, given to the database as one JSON list."""
    text = orjson.dumps(values).decode()
    if connection.dialect.name == "postgresql":
        return sa.func.json_array_elements_text(sa.cast(sa.literal(text), sa.JSON)).table_valued("value")
    return sa.func.json_each(text).table_valued(sa.column("value", sa.String))


def _record(connection: sa.Connection, project: str, labelled: pl.DataFrame, now: datetime) -> dict[str, int]:
    counts = {"recorded": 0, "corrected": 0, "unchanged": 0}
    rows = labelled.select("example_id", "label", "label_timestamp").iter_rows()
    received = [Outcome(label, str(example_id), None, stamp) for example_id, label, stamp in rows]
    known = newest_labels(connection, project, {str(outcome.example_id) for outcome in received})
    made = []
    for outcome in received:
        before = known.get(str(outcome.example_id))
        if before is not None and same_label(before[0], outcome.label):
            counts["unchanged"] += 1
            continue
        counts["recorded" if before is None else "corrected"] += 1
        made.append(
            {
                "project": project,
                "example_id": outcome.example_id,
                "revision": 1 if before is None else before[1] + 1,
                "label": outcome.label,
                "label_timestamp": outcome.label_timestamp or now,
                "received_at": now,
                "source": "ingest",
            }
        )
    if made:
        connection.execute(sa.insert(outcomes), made)
    return counts


def _open_rows(project: str, frame: pl.DataFrame, entity_columns: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for row in frame.iter_rows(named=True):
        keys = {name: str(row[name]) for name in entity_columns}
        rows.append(
            {
                "project": project,
                "example_id": str(row["example_id"]),
                "cutoff": row["cutoff"],
                "key_text": key_text(keys),
                "entity_keys": keys,
                "cluster": None if row.get("cluster") is None else str(row["cluster"]),
            }
        )
    return rows


def _keep_open(connection: sa.Connection, project: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make the table list these open examples, touching only what differs; those that are new or moved."""
    query = sa.select(open_examples).where(open_examples.c.project == project)
    before = {row["example_id"]: row for row in connection.execute(query).mappings()}
    now = {row["example_id"]: row for row in rows}
    stale = [id for id, row in before.items() if id not in now or dict(row) != now[id]]
    fresh = [row for id, row in now.items() if id not in before or dict(before[id]) != row]
    if stale:
        gone = open_examples.delete().where(
            open_examples.c.project == project, open_examples.c.example_id == sa.bindparam("gone")
        )
        connection.execute(gone, [{"gone": id} for id in stale])
    if fresh:
        connection.execute(sa.insert(open_examples), fresh)
    return fresh


def _name_unnamed(connection: sa.Connection, project: str, fresh: Sequence[Mapping[str, Any]]) -> int:
    """Answers given before their example was known find it now; only those to the keys of fresh examples can."""
    count = 0
    for keys in chunks(sorted({example["key_text"] for example in fresh}), _KEYS_AT_ONCE):
        candidates = _candidates(connection, project, keys)
        query = sa.select(predictions.c.prediction_id, _KEYS_AS_TEXT.label("keys"), predictions.c.cutoff).where(
            predictions.c.project == project, predictions.c.example_id.is_(None), _KEYS_AS_TEXT.in_(keys)
        )
        found = []
        for row in connection.execute(query):
            fitting = (example for example in candidates[row.keys] if example.cutoff >= row.cutoff)
            if (example := next(fitting, None)) is not None:
                found.append({"id": row.prediction_id, "example": example.example_id, "group": example.cluster})
        if found:
            connection.execute(_NAME, found)
        count += len(found)
    return count


_KEYS_AT_ONCE = 1000
_KEYS_AS_TEXT = sa.cast(predictions.c.entity_keys, sa.Text)  # as the log wrote them
_NAME = (
    predictions.update()
    .where(predictions.c.prediction_id == sa.bindparam("id"))
    .values(example_id=sa.bindparam("example"), cluster=sa.bindparam("group"))
)


def _candidates(connection: sa.Connection, project: str, keys: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    query = (
        sa.select(open_examples)
        .where(open_examples.c.project == project, open_examples.c.key_text.in_(keys))
        .order_by(open_examples.c.cutoff, open_examples.c.example_id)
    )
    found: dict[str, list[Any]] = {key: [] for key in keys}
    for example in connection.execute(query):
        found[example.key_text].append(example)
    return found
