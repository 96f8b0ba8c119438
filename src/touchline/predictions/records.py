"""The table of logged predictions. `database_writer` adds its rows; every other read and change is here.

A read counts answers. Rows that a shadow version scored take part only where a caller names their role.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, TypeVar

import numpy as np
import sqlalchemy as sa

from touchline.errors import UnknownPrediction
from touchline.predictions.log_rows import (
    AssignedPrediction,
    CommonestFailure,
    Draw,
    LogCounts,
    PairedPrediction,
    PredictionRecord,
    ReleaseRows,
    Sample,
    ScoredExample,
    VariantCount,
    example_key,
)
from touchline.storage import Database
from touchline.storage.tables import predictions

ANSWERS: Final = ("answer",)
# "failed": a variant could not predict the row; "incomplete": the row lacks a field of the candidate; "probe": a test.
EVERY_ROLE: Final = ("answer", "shadow", "failed", "incomplete", "probe")

_BATCH_ROWS = 20_000
_FAILURES = 1_000
_COLUMNS = predictions.c
_IS_DRAWN = sa.and_(_COLUMNS.unit.is_not(None), _COLUMNS.override.is_(False), _COLUMNS.probability < 1)
_KEYS_AS_TEXT = sa.cast(_COLUMNS.entity_keys, sa.Text)  # as the log wrote them


Row = TypeVar("Row", bound=ScoredExample)


class PredictionRecords:
    """Reads the logged predictions of one project; with None, of all projects."""

    def __init__(self, database: Database, project: str | None) -> None:
        self._database, self._project = database, project

    def find(self, prediction_id: str, *, roles: Collection[str] = ANSWERS) -> PredictionRecord:
        """The prediction of that id. Raises `UnknownPrediction`."""
        rows = self.read([prediction_id], roles=roles)
        if not rows:
            raise UnknownPrediction(self._project, [prediction_id])
        return rows[0]

    def read(self, prediction_ids: Collection[str], *, roles: Collection[str] = ANSWERS) -> list[PredictionRecord]:
        """The predictions of these ids, in the order of their ids."""
        return [
            row
            for ids in slices(prediction_ids)
            for row in self._read(PredictionRecord, self._where(roles, _COLUMNS.prediction_id.in_(ids)))
        ]

    def newest(
        self,
        limit: int,
        *,
        before: str | None = None,
        since: str | None = None,
        release_id: str | None = None,
        roles: Collection[str] = ANSWERS,
    ) -> list[PredictionRecord]:
        """The newest predictions, newest first: of ids from `since` on and below `before`, of one release if given."""
        older = () if before is None else (_COLUMNS.prediction_id < before,)
        younger = () if since is None else (_COLUMNS.prediction_id >= since,)
        condition = self._where(roles, *older, *younger, *_of_release(release_id))
        return self._read(PredictionRecord, condition, limit=limit, newest=True)

    def sample(self, sample: Sample, *, roles: Collection[str] = ANSWERS) -> list[str]:
        """The ids of a random sample, oldest first."""
        condition = self._where(roles, *_of_release(sample.release_id))
        if sample.since is not None:
            condition &= _COLUMNS.answered_at >= sample.since
        with self._database.connect() as connection:
            ids = sorted(connection.scalars(sa.select(_COLUMNS.prediction_id).where(condition)))
        if sample.rows is None or len(ids) <= sample.rows:
            return ids
        places = np.random.default_rng(sample.seed).choice(len(ids), size=sample.rows, replace=False)
        return [ids[place] for place in sorted(places)]

    def of_release(
        self, release_id: str, *, after: str = "", until: str, limit: int, roles: Collection[str] = ANSWERS
    ) -> ReleaseRows:
        """The newest predictions of a release with ids above `after`, up to and including `until`."""
        condition = self._where(roles, *_of_release(release_id), *_ids_between(after, until))
        rows = self.newest_of_release(release_id, after=after, until=until, limit=limit, roles=roles)
        with self._database.connect() as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(predictions).where(condition)) or 0
        return ReleaseRows(rows, total)

    def newest_of_release(
        self, release_id: str, *, after: str = "", until: str, limit: int, roles: Collection[str] = ANSWERS
    ) -> list[ScoredExample]:
        """As the rows of `of_release`, without counting those that are left out."""
        condition = self._where(roles, *_of_release(release_id), *_ids_between(after, until))
        return self._read(ScoredExample, condition, limit=limit, newest=True)[::-1]

    def counts(
        self,
        *,
        release_id: str | None = None,
        after: str | None = None,
        until: str | None = None,
        roles: Collection[str] = ANSWERS,
    ) -> LogCounts:
        """The number of predictions, of one release and between two ids where these are given."""
        condition = self._where(roles, *_of_release(release_id), *_ids_between(after, until))
        # Each of the two has an index of its own; together they would read the whole of the larger one.
        rows = sa.select(sa.func.count()).select_from(predictions).where(condition)
        newest = sa.select(sa.func.max(_COLUMNS.answered_at)).where(condition)
        with self._database.connect() as connection:
            return LogCounts(connection.scalar(rows) or 0, connection.scalar(newest))

    def answered_examples(
        self, example_ids: Collection[str], *, release_id: str | None, roles: Collection[str] = ANSWERS
    ) -> set[str]:
        """Those of these examples that a release has answered (any release, where it is None)."""
        found: set[str] = set()
        with self._database.connect() as connection:
            for ids in slices(set(example_ids)):
                asked = self._where(roles, _COLUMNS.example_id.in_(ids), *_of_release(release_id))
                found |= set(connection.scalars(sa.select(_COLUMNS.example_id).where(asked)))
        return found

    def batches(
        self,
        *,
        since: datetime | None,
        until: datetime,
        roles: Collection[str] = ANSWERS,
        release_ids: Collection[str] | None = None,
        cutoffs: tuple[datetime | None, datetime | None] = (None, None),
    ) -> Iterator[list[PredictionRecord]]:
        """The predictions answered in [since, until), oldest first, in batches that fit in memory.

        Of these releases, and with a cutoff from the first of `cutoffs` up to before the second, where these are given.
        """
        # Joined to a text, the project cannot be looked up in an index whose rows would have to be sorted for each
        # batch: the ids come in order from the primary key, or from the index of a release.
        of_project = sa.true() if self._project is None else _COLUMNS.project.concat("") == self._project
        condition = _where(None, roles, of_project, _COLUMNS.answered_at < until)
        if release_ids is not None:
            condition &= _COLUMNS.release_id.in_(release_ids)
        lower = ((_COLUMNS.answered_at, since), (_COLUMNS.cutoff, cutoffs[0]))
        condition = sa.and_(condition, *(column >= instant for column, instant in lower if instant is not None))
        if cutoffs[1] is not None:
            condition &= _COLUMNS.cutoff < cutoffs[1]
        last = ""
        while rows := self._read(PredictionRecord, condition & (_COLUMNS.prediction_id > last), limit=_BATCH_ROWS):
            yield rows
            if len(rows) < _BATCH_ROWS:
                return
            last = rows[-1].prediction_id

    def delete(self, prediction_ids: Iterable[str]) -> None:
        """Delete the predictions of these ids, whatever their role."""
        statement = predictions.delete().where(self._where(None, _COLUMNS.prediction_id == sa.bindparam("id")))
        with self._database.begin() as connection:
            connection.execute(statement, [{"id": prediction_id} for prediction_id in prediction_ids])

    def _read(
        self, kind: type[Row], condition: sa.ColumnElement[bool], *, limit: int | None = None, newest: bool = False
    ) -> list[Row]:
        order = _COLUMNS.prediction_id.desc() if newest else _COLUMNS.prediction_id
        with self._database.connect() as connection:
            return [kind(*row) for row in connection.execute(_select(kind, condition).order_by(order).limit(limit))]

    def _where(self, roles: Collection[str] | None, *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return _where(self._project, roles, *conditions)


class PredictedExamples:
    """The examples that a project's predictions are about, read and set within a transaction of the caller."""

    def __init__(self, connection: sa.Connection, project: str) -> None:
        self._connection, self._project = connection, project

    def keys(self, prediction_ids: Collection[str], *, roles: Collection[str] = ANSWERS) -> dict[str, str]:
        """The example key of each prediction. Raises `UnknownPrediction` for ids that are not in the log."""
        keys: dict[str, str] = {}
        for ids in slices(prediction_ids):
            condition = _where(self._project, roles, _COLUMNS.prediction_id.in_(ids))
            query = sa.select(_COLUMNS.prediction_id, _COLUMNS.example_id).where(condition)
            keys |= {row.prediction_id: example_key(row.example_id, row.prediction_id) for row in self._rows(query)}
        unknown = sorted(set(prediction_ids) - keys.keys())
        if unknown:
            raise UnknownPrediction.of_outcomes(self._project, unknown)
        return keys

    def counts(self, example_keys: Collection[str], *, roles: Collection[str] = ANSWERS) -> dict[str, int]:
        """The number of predictions for each example; examples without a prediction are left out."""
        counts: dict[str, int] = {}
        for keys in slices(example_keys):
            about = _where(self._project, roles, _COLUMNS.example_id.in_(keys))
            query = sa.select(_COLUMNS.example_id, sa.func.count()).where(about).group_by(_COLUMNS.example_id)
            counts |= dict(self._rows(query))
            alone = _where(self._project, roles, _COLUMNS.prediction_id.in_(keys), _COLUMNS.example_id.is_(None))
            counts |= {row.prediction_id: 1 for row in self._rows(sa.select(_COLUMNS.prediction_id).where(alone))}
        return counts

    def newest_cutoffs(self, example_keys: Collection[str], *, roles: Collection[str] = ANSWERS) -> dict[str, datetime]:
        """The newest cutoff of the predictions about each example; examples without one are left out."""
        cutoffs: dict[str, datetime] = {}
        for keys in slices(example_keys):
            about = _where(self._project, roles, _COLUMNS.example_id.in_(keys))
            named = sa.select(_COLUMNS.example_id, _COLUMNS.cutoff).where(about).order_by(_COLUMNS.cutoff)
            cutoffs |= dict(self._rows(named))
            alone = _where(self._project, roles, _COLUMNS.prediction_id.in_(keys), _COLUMNS.example_id.is_(None))
            cutoffs |= dict(self._rows(sa.select(_COLUMNS.prediction_id, _COLUMNS.cutoff).where(alone)))
        return cutoffs

    def unnamed(
        self, key_texts: Collection[str], *, roles: Collection[str] = ANSWERS
    ) -> Sequence[tuple[str, str, datetime, Mapping[str, Any]]]:
        """Prediction id, key text, cutoff and inputs of the predictions for these entities that have no example."""
        condition = _where(self._project, roles, _COLUMNS.example_id.is_(None), _KEYS_AS_TEXT.in_(key_texts))
        return self._rows(sa.select(*_UNNAMED).where(condition))

    def name(self, examples: Sequence[Mapping[str, str | None]]) -> None:
        """Set the example of predictions: dicts of prediction `id`, `example` and `group` (its cluster)."""
        if examples:
            self._connection.execute(_NAME_EXAMPLE, examples)

    def has(self, example_id: sa.ColumnElement[str], *, roles: Collection[str] = ANSWERS) -> sa.ColumnElement[bool]:
        """The condition that a prediction is about the example of a column."""
        return sa.exists().where(_where(self._project, roles, _COLUMNS.example_id == example_id))

    def has_unnamed(
        self, prediction_id: sa.ColumnElement[str], *, roles: Collection[str] = ANSWERS
    ) -> sa.ColumnElement[bool]:
        """The condition that a prediction of that id names no example, so that its outcome is stored under the id."""
        return sa.exists().where(
            _where(self._project, roles, _COLUMNS.prediction_id == prediction_id, _COLUMNS.example_id.is_(None))
        )

    def _rows(self, query: sa.Select[Any]) -> Sequence[Any]:
        return self._connection.execute(query).all()


class ExperimentRecords:
    """Reads the logged predictions of one rollout by its id."""

    def __init__(self, database: Database, experiment: str) -> None:
        self._database, self._experiment = database, experiment

    def pairs(self) -> list[PairedPrediction]:
        """The answers that the other variant predicted too, in the order of their ids."""
        query = (
            sa.select(*_of_answer(_ANSWER), _ANSWER.c.output, _COLUMNS.output)
            .join(_ANSWER, _ANSWER.c.prediction_id == _COLUMNS.answer_id)
            .where(_COLUMNS.experiment == self._experiment, _COLUMNS.role == "shadow")
            .order_by(_ANSWER.c.prediction_id)
        )
        with self._database.connect() as connection:
            return [PairedPrediction(*_with_key(row)) for row in connection.execute(query)]

    def assigned(self) -> list[AssignedPrediction]:
        """The answers to units that were drawn to a variant, in the order of their ids."""
        other = predictions.alias("other")
        draw = (_COLUMNS.unit, _COLUMNS.variant, _COLUMNS.probability)
        is_shadow = sa.and_(
            other.c.answer_id == _COLUMNS.prediction_id,
            other.c.experiment == self._experiment,
            other.c.role == "shadow",
        )
        query = (
            sa.select(*_of_answer(predictions), *draw, _COLUMNS.output, other.c.output)
            .select_from(sa.outerjoin(predictions, other, is_shadow))
            .where(_COLUMNS.experiment == self._experiment, _COLUMNS.role == "answer", _IS_DRAWN)
            .order_by(_COLUMNS.prediction_id)
        )
        with self._database.connect() as connection:
            return [AssignedPrediction(*_with_key(row)) for row in connection.execute(query)]

    def drawn(self) -> list[Draw]:
        """The draws in the order of the log, one a row: also of rows that their variant then failed to answer."""
        query = (
            sa.select(_COLUMNS.unit, _COLUMNS.variant, _COLUMNS.probability)
            .where(_COLUMNS.experiment == self._experiment, _COLUMNS.role.in_(("answer", "failed")), _IS_DRAWN)
            .order_by(_COLUMNS.prediction_id)
        )
        with self._database.connect() as connection:
            return [Draw(*row) for row in connection.execute(query)]

    def commonest_failure(self, variant: str = "candidate") -> CommonestFailure | None:
        """The commonest error among the newest 1,000 rows that a variant failed to predict; None where it has none."""
        query = (
            sa.select(_COLUMNS.prediction_id, _COLUMNS.output)
            .where(_COLUMNS.experiment == self._experiment, _COLUMNS.role == "failed", _COLUMNS.variant == variant)
            .order_by(_COLUMNS.prediction_id.desc())
            .limit(_FAILURES)
        )
        with self._database.connect() as connection:
            errors = [(str(row.output.get("error")), row.prediction_id) for row in connection.execute(query)]
        if not errors:
            return None
        ((error, rows),) = Counter(error for error, _ in errors).most_common(1)
        return CommonestFailure(error, rows, len(errors), next(one for text, one in errors if text == error))

    def counts(self, *, slow_seconds: float, after: str = "", until: str | None = None) -> list[VariantCount]:
        """The rows of each variant and role, those of testers left out, between two ids where these are given."""
        is_slow = sa.case((_COLUMNS.seconds > slow_seconds, 1), else_=0)
        query = (
            sa.select(_COLUMNS.variant, _COLUMNS.role, sa.func.count(), sa.func.sum(is_slow))
            .where(_COLUMNS.experiment == self._experiment, _COLUMNS.override.is_(False), *_ids_between(after, until))
            .group_by(_COLUMNS.variant, _COLUMNS.role)
        )
        with self._database.connect() as connection:
            return [VariantCount(*row) for row in connection.execute(query)]


_ANSWER = predictions.alias("answer")


def _with_key(row: Sequence[Any]) -> list[Any]:
    """The values of a row with its example key in place of its example id."""
    return [row[0], example_key(row[1], row[0]), *row[2:]]


def _of_answer(table: sa.FromClause) -> tuple[sa.ColumnElement[Any], ...]:
    columns = table.c
    return columns.prediction_id, columns.example_id, columns.cluster, columns.cutoff, columns.answered_at


_UNNAMED = (_COLUMNS.prediction_id, _KEYS_AS_TEXT, _COLUMNS.cutoff, _COLUMNS.inputs)
_NAME_EXAMPLE = (
    predictions.update()
    .where(_COLUMNS.prediction_id == sa.bindparam("id"))
    .values(example_id=sa.bindparam("example"), example_source="entity", cluster=sa.bindparam("group"))
)


def slices(values: Collection[str], size: int = 10_000) -> Iterator[list[str]]:
    """The sorted values in slices; a statement may bind the values of one slice."""
    ordered = sorted(values)
    return (ordered[start : start + size] for start in range(0, len(ordered), size))


def _select(kind: type[ScoredExample], condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(*(_COLUMNS[field.name] for field in fields(kind))).where(condition)


def _where(
    project: str | None, roles: Collection[str] | None, *conditions: sa.ColumnElement[bool]
) -> sa.ColumnElement[bool]:
    of_project = [] if project is None else [_COLUMNS.project == project]
    of_roles = [] if roles is None else [_COLUMNS.role.in_(roles)]
    return sa.and_(*of_project, *of_roles, *conditions)


def _of_release(release_id: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if release_id is None else [_COLUMNS.release_id == release_id]


def _ids_between(after: str | None, until: str | None) -> list[sa.ColumnElement[bool]]:
    lower = [] if after is None else [_COLUMNS.prediction_id > after]
    return lower + ([] if until is None else [_COLUMNS.prediction_id <= until])
