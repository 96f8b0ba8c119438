"""The table of outcomes: the observed labels of examples. Rows are only added; another label is a new revision."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from touchline.errors import InvalidOutcomeTime
from touchline.predictions.log_rows import PredictionRecord
from touchline.predictions.open_examples import OpenExampleRecords
from touchline.predictions.records import PredictedExamples, PredictionRecords, slices
from touchline.storage import Database
from touchline.storage.tables import outcomes

Label = str | float | int | bool
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_SKEW = timedelta(minutes=5)  # of the clock of whoever sends outcomes
Status = Literal["recorded", "unchanged", "corrected"]
_UNKNOWN = (
    "no logged prediction and no open example has the id {!r}; the label is stored, and settles a prediction that "
    "names this example later"
)
_TOO_EARLY = (
    "the label_timestamp {:%Y-%m-%dT%H:%M:%SZ} lies before the cutoff of the prediction, {:%Y-%m-%dT%H:%M:%SZ}: the "
    "label is stored, and the prediction is not evaluated with it; send the time at which the label became known"
)


@dataclass(frozen=True)
class Outcome:
    """A label as it was received, for an example named by its id or by a prediction of it."""

    label: Label
    example_id: str | None = None
    prediction_id: str | None = None
    label_timestamp: datetime | None = None


class ExampleLabel(NamedTuple):
    """The label of one example. Without a `label_timestamp` it became known when it was received."""

    example_id: str
    label: Label
    label_timestamp: datetime | None


class LabelColumns(NamedTuple):
    """The columns of a table of labels: the example, its label as JSON, and the time as SQLite spells it, or null."""

    example_id: sa.ColumnElement[str]
    text: sa.ColumnElement[str]
    known_at: sa.ColumnElement[str]


@dataclass(frozen=True)
class StoredOutcome:
    """One revision of an example's outcome."""

    example_id: str
    revision: int
    label: Label
    label_timestamp: datetime
    received_at: datetime
    source: str


@dataclass(frozen=True)
class ObservedOutcome:
    """The newest label of an example, when its first label was received, and whether that one was another."""

    label: Label
    label_timestamp: datetime
    received_at: datetime
    revision: int
    is_relabelled: bool = False


@dataclass(frozen=True)
class Receipt:
    """The status of one stored outcome. `predictions` counts the logged predictions that it settles.

    `note` says so where a first label is of an example that nothing here knows: it is stored all the same, because a
    label may come before the predictions of its example are in the log. It also says so where a label was known before
    the prediction that it would settle.
    """

    example_id: str
    status: Status
    revision: int
    predictions: int
    note: str | None = None


@dataclass(frozen=True)
class SettledPrediction:
    """One logged answer with the newest revision of its outcome; `label` is None while the outcome is open."""

    prediction_id: str
    example_id: str | None
    entity_keys: Mapping[str, str]
    answered_at: datetime
    cutoff: datetime
    output: Mapping[str, Any]
    label: Label | None
    label_timestamp: datetime | None
    revision: int | None

    @property
    def predicted(self) -> str:
        """The output in short: the likeliest class with its probability, or the value."""
        probabilities = self.output.get("probabilities")
        if not probabilities:
            return f"{self.output.get('value', float('nan')):.4g}"
        best = max(probabilities, key=probabilities.__getitem__)
        return f"{best} {probabilities[best]:.2f}"


def _note_on_time(outcome: StoredOutcome, cutoff: datetime | None) -> str | None:
    if cutoff is None or outcome.label_timestamp >= cutoff:
        return None
    return _TOO_EARLY.format(outcome.label_timestamp.astimezone(UTC), cutoff.astimezone(UTC))


class OutcomeRecords:
    """Reads and adds the outcomes of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def record(self, received: Sequence[Outcome], *, source: str, now: datetime) -> list[Receipt]:
        """Add outcomes. Raises `UnknownPrediction` for a prediction id that is not in the log, and adds none.

        Raises `InvalidOutcomeTime` for a label that is known only after `now`.
        """
        for outcome in received:
            if outcome.label_timestamp is not None and not _EARLIEST <= outcome.label_timestamp <= now + _CLOCK_SKEW:
                raise InvalidOutcomeTime(outcome.label_timestamp, now)
        with self._database.begin() as connection:
            predicted = PredictedExamples(connection, self._project)
            labels = _by_example(predicted, received)
            stored = self.add(connection, labels, source=source, now=now)
            counts = predicted.counts({label.example_id for label in labels})
            timed = {one.example_id for one, status in stored if one.label_timestamp < now and status != "unchanged"}
            cutoffs = predicted.newest_cutoffs(timed & counts.keys())
        new = {one.example_id for one, status in stored if status == "recorded"} - counts.keys()
        unknown = new - OpenExampleRecords(self._database, self._project).find(new).keys() if new else set()
        return [
            Receipt(
                one.example_id,
                status,
                one.revision,
                counts.get(one.example_id, 0),
                _UNKNOWN.format(one.example_id)
                if one.example_id in unknown
                else _note_on_time(one, cutoffs.get(one.example_id)),
            )
            for one, status in stored
        ]

    def add(
        self, connection: sa.Connection, labels: Sequence[ExampleLabel], *, source: str, now: datetime
    ) -> list[tuple[StoredOutcome, Status]]:
        """Add labels within a transaction of the caller; the newest revision of each example and how it came about.

        The same label again changes nothing; another label, or another time at which it became known, is a correction
        with the next revision.
        """
        newest = self._newest(connection, {label.example_id for label in labels})
        stored: list[tuple[StoredOutcome, Status]] = []
        for example_id, label, label_timestamp in labels:
            before = newest.get(example_id)
            is_same_time = label_timestamp is None or before is None or before.label_timestamp == label_timestamp
            if before is not None and same_label(before.label, label) and is_same_time:
                stored.append((before, "unchanged"))
                continue
            revision = before.revision + 1 if before else 1
            after = StoredOutcome(example_id, revision, label, label_timestamp or now, now, source)
            newest[example_id] = after
            stored.append((after, "corrected" if before else "recorded"))
        rows = [{"project": self._project, **vars(one)} for one, status in stored if status != "unchanged"]
        if rows:
            connection.execute(sa.insert(outcomes), rows)
        return stored

    def newest(self, example_keys: Collection[str]) -> dict[str, StoredOutcome]:
        """The newest revision of each example that has an outcome."""
        with self._database.connect() as connection:
            return self._newest(connection, example_keys)

    def observed(self, example_keys: Collection[str]) -> dict[str, ObservedOutcome]:
        """The outcome of each example that has one, for whoever counts outcomes in the order in which they came."""
        columns = [outcomes.c[field.name] for field in fields(StoredOutcome)]
        found: dict[str, ObservedOutcome] = {}
        with self._database.connect() as connection:
            for keys in slices(example_keys):
                mine = sa.and_(outcomes.c.project == self._project, outcomes.c.example_id.in_(keys))
                for row in connection.execute(sa.select(*columns).where(mine).order_by(outcomes.c.revision)):
                    before = found.get(row.example_id)
                    is_relabelled = before is not None and (
                        before.is_relabelled or not same_label(before.label, row.label)
                    )
                    received_at = row.received_at if before is None else before.received_at
                    found[row.example_id] = ObservedOutcome(
                        row.label, row.label_timestamp, received_at, row.revision, is_relabelled
                    )
        return found

    def count_of_predicted(self, *, since: datetime) -> int:
        """The number of examples with a logged answer whose first outcome was received since an instant.

        An answer without an example is an example of its own.
        """
        first = sa.and_(outcomes.c.project == self._project, outcomes.c.revision == 1, outcomes.c.received_at >= since)
        with self._database.connect() as connection:
            examples = PredictedExamples(connection, self._project)
            named, unnamed = examples.has(outcomes.c.example_id), examples.has_unnamed(outcomes.c.example_id)
            query = sa.select(sa.func.count()).select_from(outcomes).where(first, sa.or_(named, unnamed))
            return connection.scalar(query) or 0

    def first_received_at(self) -> datetime | None:
        """When the first outcome of the project was received; None before it."""
        query = sa.select(sa.func.min(outcomes.c.received_at)).where(outcomes.c.project == self._project)
        with self._database.connect() as connection:
            first: datetime | None = connection.scalar(query)
        return first

    def count(self) -> int:
        """The number of examples that have an outcome."""
        first = sa.and_(outcomes.c.project == self._project, outcomes.c.revision == 1)
        query = sa.select(sa.func.count()).select_from(outcomes).where(first)
        with self._database.connect() as connection:
            return connection.scalar(query) or 0

    def has(self, example_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """The condition that the example of a column has an outcome."""
        return sa.exists().where(outcomes.c.project == self._project, outcomes.c.example_id == example_id)

    def has_unchanged(self, label: LabelColumns, dialect: str) -> sa.ColumnElement[bool]:
        """The condition that the label of a row is the newest of its example, spelt as it is stored."""
        stored, newer = outcomes.c, outcomes.alias("newer").c
        is_server = dialect == "postgresql"
        stored_label = sa.cast(stored.label, sa.Text) if is_server else sa.type_coerce(stored.label, sa.Text)
        known_at = stored.label_timestamp if is_server else sa.type_coerce(stored.label_timestamp, sa.Text)
        given_at = sa.cast(label.known_at, stored.label_timestamp.type) if is_server else label.known_at
        is_newer = sa.and_(
            newer.project == self._project, newer.example_id == stored.example_id, newer.revision > stored.revision
        )
        return sa.exists().where(
            stored.project == self._project,
            stored.example_id == label.example_id,
            stored_label == label.text,
            sa.or_(label.known_at.is_(None), known_at == given_at),
            ~sa.exists().where(is_newer),
        )

    def _newest(self, connection: sa.Connection, example_keys: Collection[str]) -> dict[str, StoredOutcome]:
        columns = [outcomes.c[field.name] for field in fields(StoredOutcome)]
        newest: dict[str, StoredOutcome] = {}
        for keys in slices(example_keys):
            mine = sa.and_(outcomes.c.project == self._project, outcomes.c.example_id.in_(keys))
            rows = connection.execute(sa.select(*columns).where(mine).order_by(outcomes.c.revision))
            newest |= {row.example_id: StoredOutcome(*row) for row in rows}
        return newest


def read_settled(
    database: Database,
    project: str,
    *,
    limit: int = 20,
    before: str | None = None,
    since: str | None = None,
    release_id: str | None = None,
) -> list[SettledPrediction]:
    """The newest answers of a project, newest first, each with its outcome if it has one.

    `since` and `before` are ids, or their first letters: predictions from the one on, and below the other.
    """
    records = PredictionRecords(database, project)
    answers = records.newest(limit, before=before, since=since, release_id=release_id)
    outcomes_by_key = OutcomeRecords(database, project).newest({answer.example_key for answer in answers})
    return [_settled(answer, outcomes_by_key.get(answer.example_key)) for answer in answers]


def _settled(answer: PredictionRecord, outcome: StoredOutcome | None) -> SettledPrediction:
    return SettledPrediction(
        prediction_id=answer.prediction_id,
        example_id=answer.example_id,
        entity_keys=answer.entity_keys,
        answered_at=answer.answered_at,
        cutoff=answer.cutoff,
        output=answer.output,
        label=outcome.label if outcome else None,
        label_timestamp=outcome.label_timestamp if outcome else None,
        revision=outcome.revision if outcome else None,
    )


def same_label(one: Label, other: Label) -> bool:
    """True if two labels are equal: numbers by value, all else by their text.

    >>> same_label(1, 1.0), same_label("home", "away")
    (True, False)
    """
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    return str(one) == str(other)


def _by_example(predicted: PredictedExamples, received: Sequence[Outcome]) -> list[ExampleLabel]:
    ids = {outcome.prediction_id for outcome in received if outcome.example_id is None and outcome.prediction_id}
    keys = predicted.keys(ids)
    return [
        ExampleLabel(outcome.example_id or keys[outcome.prediction_id or ""], outcome.label, outcome.label_timestamp)
        for outcome in received
    ]
