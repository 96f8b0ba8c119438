"""Every ingest settles outcomes: the declared examples say which are open and which labels the others have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import orjson
import sqlalchemy as sa

from touchline.predictions.open_examples import OpenExample, OpenExampleRecords, key_text, only_example
from touchline.predictions.outcomes import ExampleLabel, LabelColumns, OutcomeRecords
from touchline.predictions.records import EVERY_ROLE, PredictedExamples, slices
from touchline.storage import Database

if TYPE_CHECKING:
    import polars as pl

Condition = Callable[[sa.ColumnElement[str]], sa.ColumnElement[bool]]
_KEYS_AT_ONCE = 1000
_EXAMPLES_AT_ONCE = 10_000


@dataclass(frozen=True)
class Settled:
    """Counts of the outcomes and examples that one ingest changed; `named`: predictions whose example it brought."""

    settled: int
    corrected: int
    unchanged: int
    open: int
    named: int


def settle_outcomes(
    database: Database,
    project: str,
    examples: pl.DataFrame,
    *,
    entity_columns: Sequence[str],
    input_columns: Sequence[str] = (),
    now: datetime,
) -> Settled:
    """Record the labels of examples that were predicted or open, and replace the list of open examples.

    `examples` has example_id, cutoff, label, label_timestamp, maybe cluster, the entity columns and the raw inputs of
    the model; a null label is to be predicted. A label known only after `now` counts as null. Running it again with
    the same rows changes nothing.
    """
    is_open = examples["label"].is_null() | (examples["label_timestamp"] > now).fill_null(False)
    outcomes, open_examples = OutcomeRecords(database, project), OpenExampleRecords(database, project)
    with database.begin() as connection:
        predicted = PredictedExamples(connection, project)
        labelled = examples.filter(~is_open).with_columns(examples["example_id"].cast(str).filter(~is_open))
        # An example needs an outcome if it was predicted, was open, or has one already.
        conditions = (open_examples.has, outcomes.has, partial(predicted.has, roles=EVERY_ROLE))
        changed, unchanged = changed_labels(connection, labelled, conditions, outcomes)
        labels = _labels(labelled.filter(labelled["example_id"].is_in(changed)))
        stored = Counter(status for _, status in outcomes.add(connection, labels, source="ingest", now=now))
        still_open = list(_open_examples(examples.filter(is_open), entity_columns, input_columns))
        fresh = open_examples.replace(connection, still_open, now=now)
        named = _name_predictions(connection, predicted, open_examples, fresh) if entity_columns else 0
    unchanged += stored["unchanged"]
    return Settled(stored["recorded"], stored["corrected"], unchanged, len(still_open), named)


def _labels(frame: pl.DataFrame) -> list[ExampleLabel]:
    return [ExampleLabel(*row) for row in frame.select("example_id", "label", "label_timestamp").iter_rows()]


def _open_examples(
    frame: pl.DataFrame, entity_columns: Sequence[str], input_columns: Sequence[str]
) -> Iterator[OpenExample]:
    raw_inputs = [name for name in input_columns if name not in entity_columns and name in frame.columns]
    for row in frame.iter_rows(named=True):
        cluster = row.get("cluster")
        keys = {name: str(row[name]) for name in entity_columns if row[name] is not None}
        inputs = orjson.loads(orjson.dumps({name: row[name] for name in raw_inputs}, default=str))
        example_id = str(row["example_id"])
        yield OpenExample(example_id, row["cutoff"], keys, None if cluster is None else str(cluster), inputs)


def changed_labels(
    connection: sa.Connection, labelled: pl.DataFrame, conditions: Sequence[Condition], outcomes: OutcomeRecords
) -> tuple[list[str], int]:
    """The examples for which one of the conditions holds and whose label is another than the newest, and the number of
    those whose label is that one.

    Each example is looked up, so that the time depends on the examples and not on the size of the log.
    """
    changed: list[str] = []
    unchanged = 0
    for start in range(0, len(labelled), _EXAMPLES_AT_ONCE):
        columns = _as_table(connection, labelled.slice(start, _EXAMPLES_AT_ONCE))
        is_unchanged = outcomes.has_unchanged(columns, connection.dialect.name)
        is_relevant = sa.or_(*(condition(columns.example_id) for condition in conditions))
        others = connection.execute(sa.select(columns.example_id, is_relevant).where(~is_unchanged)).all()
        changed += [example_id for example_id, needs_outcome in others if needs_outcome]
        unchanged += min(_EXAMPLES_AT_ONCE, len(labelled) - start) - len(others)
    return changed, unchanged


def _as_table(connection: sa.Connection, labelled: pl.DataFrame) -> LabelColumns:
    """Labels as a table, given to the database as one JSON list of lists."""
    labels = labelled["label"].to_list()
    texts = {label: json.dumps(label, ensure_ascii=False, default=str) for label in set(labels)}
    known_at = labelled["label_timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S%.6f").to_list()
    rows = zip(labelled["example_id"].to_list(), (texts[label] for label in labels), known_at, strict=True)
    text = orjson.dumps(list(rows)).decode()
    is_server = connection.dialect.name == "postgresql"
    literal = sa.cast(sa.literal(text), sa.JSON) if is_server else sa.literal(text)
    elements = sa.func.json_array_elements(literal) if is_server else sa.func.json_each(literal)
    value = elements.table_valued(sa.column("value", sa.JSON)).c.value
    example_id, label, at = (value[place].as_string() for place in range(3))
    # The zone of the server's session must not count.
    return LabelColumns(example_id, label, at + "+00" if is_server else at)


def _name_predictions(
    connection: sa.Connection,
    predicted: PredictedExamples,
    open_examples: OpenExampleRecords,
    fresh: Sequence[OpenExample],
) -> int:
    """Give predictions that are older than their example its id; only predictions for entities of fresh examples can
    have become nameable. The number of predictions named.
    """
    count = 0
    for keys in slices({key_text(example.entity_keys) for example in fresh}, _KEYS_AT_ONCE):
        by_key = open_examples.of_entities(connection, keys)
        named = []
        for prediction_id, key, cutoff, inputs in predicted.unnamed(keys, roles=EVERY_ROLE):
            example = only_example(by_key[key], cutoff, inputs)
            if example is not None:
                named.append({"id": prediction_id, "example": example.example_id, "group": example.cluster})
        predicted.name(named)
        count += len(named)
    return count
