"""Every ingest settles outcomes: the declared examples say which are open and which labels the others have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import orjson
import sqlalchemy as sa

from touchline.predictions.open_examples import OpenExample, OpenExampleRecords, key_text, only_example
from touchline.predictions.outcomes import ExampleLabel, OutcomeRecords
from touchline.predictions.records import EVERY_ROLE, PredictedExamples, slices
from touchline.storage import Database

if TYPE_CHECKING:
    import polars as pl

Condition = Callable[[sa.ColumnElement[str]], sa.ColumnElement[bool]]
_KEYS_AT_ONCE = 1000


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
        relevant = _filter(connection, labelled["example_id"].to_list(), conditions)
        labels = _labels(labelled.filter(labelled["example_id"].is_in(relevant)))
        stored = Counter(status for _, status in outcomes.add(connection, labels, source="ingest", now=now))
        still_open = list(_open_examples(examples.filter(is_open), entity_columns, input_columns))
        fresh = open_examples.replace(connection, still_open, now=now)
        named = _name_predictions(connection, predicted, open_examples, fresh) if entity_columns else 0
    return Settled(stored["recorded"], stored["corrected"], stored["unchanged"], len(still_open), named)


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


def _filter(connection: sa.Connection, example_ids: Collection[str], conditions: Sequence[Condition]) -> list[str]:
    """The examples for which one of the conditions holds.

    Each example is looked up, so that the time depends on the examples and not on the size of the log.
    """
    passed: list[str] = []
    for part in slices(example_ids):
        table = _as_table(connection, part)
        query = sa.select(table.c.value).where(sa.or_(*(condition(table.c.value) for condition in conditions)))
        passed += connection.scalars(query)
    return passed


def _as_table(connection: sa.Connection, values: Sequence[str]) -> sa.TableValuedAlias:
    """Texts as a table with the column `value`, given to the database as one JSON list."""
    text = orjson.dumps(values).decode()
    if connection.dialect.name == "postgresql":
        return sa.func.json_array_elements_text(sa.cast(sa.literal(text), sa.JSON)).table_valued("value")
    return sa.func.json_each(text).table_valued(sa.column("value", sa.String))


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
