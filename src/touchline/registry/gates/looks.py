"""Looks at test rows: every comparison of a change spends a share of alpha, and fresh rows refill it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, Final

import polars as pl
from sqlalchemy import Row, insert, select
from sqlalchemy.exc import IntegrityError

from touchline.errors import NotEvaluated, ObjectNotFound
from touchline.registry.gates.evidence import Look
from touchline.registry.gates.stored_predictions import dependence_of
from touchline.registry.journal.versions import ModelVersion, Registry
from touchline.statistics import AlphaBudget
from touchline.storage import Database, tables

_ATTEMPTS: Final = 100


def record_look(registry: Registry, version: ModelVersion, frame: pl.DataFrame) -> Look:
    """The look of a version at its test rows. A version looks once: a further call returns the same look.

    Rows are fresh where no earlier look of the project has seen them: those later than every cutoff looked at, or,
    without time, those that no version that was looked at was tested on.
    """
    for _ in range(_ATTEMPTS):
        earlier = _read(registry.database, version.project)
        for row in earlier:
            if row.version == version.version:
                return Look(row.number, row.alpha_share, row.fresh_share)
        look, unspent = _next_look(registry, frame, earlier)
        try:
            _write(registry.database, version, look, unspent, _newest(frame))
        except IntegrityError:
            # Another process wrote the look of this number in between: read again.
            continue
        return look
    raise NotEvaluated(version.project, version.version, "look: other versions are compared all the time")


def _next_look(registry: Registry, frame: pl.DataFrame, earlier: Sequence[Row[Any]]) -> tuple[Look, float]:
    fresh_share = _fresh_share(registry, frame, earlier)
    budget = AlphaBudget(earlier[-1].unspent if earlier else 0.0)
    alpha_share, after = budget.look(fresh_share)
    return Look(len(earlier) + 1, alpha_share, fresh_share), after.unspent


def _fresh_share(registry: Registry, frame: pl.DataFrame, earlier: Sequence[Row[Any]]) -> float:
    if not earlier:
        return 1.0
    newest = [row.newest for row in earlier if row.newest is not None]
    if dependence_of(frame) == "serial" and len(newest) == len(earlier):
        fresh = int((frame["cutoff"] > max(newest)).sum())
    else:
        fresh = frame.height - int(frame["example_id"].is_in(list(_seen_examples(registry, frame, earlier))).sum())
    return fresh / frame.height


def _seen_examples(registry: Registry, frame: pl.DataFrame, earlier: Sequence[Row[Any]]) -> set[str]:
    """The examples that were looked at; all of the frame's where the record of a look is gone."""
    seen: set[str] = set()
    for row in earlier:
        try:
            data = registry.objects.read(f"{row.object_key}/predictions.parquet")
        except ObjectNotFound:
            return set(frame["example_id"].to_list())
        seen.update(pl.read_parquet(BytesIO(data), columns=["example_id"])["example_id"].to_list())
    return seen


def _newest(frame: pl.DataFrame) -> datetime | None:
    newest = frame["cutoff"].max()
    return newest if isinstance(newest, datetime) and dependence_of(frame) == "serial" else None


def _read(database: Database, project: str) -> Sequence[Row[Any]]:
    table = tables.test_looks
    with database.connect() as connection:
        return connection.execute(select(table).where(table.c.project == project).order_by(table.c.number)).all()


def _write(database: Database, version: ModelVersion, look: Look, unspent: float, newest: datetime | None) -> None:
    with database.begin() as connection:
        connection.execute(
            insert(tables.test_looks).values(
                project=version.project,
                number=look.number,
                version=version.version,
                object_key=version.object_key,
                newest=newest,
                fresh_share=look.fresh_share,
                alpha_share=look.alpha_share,
                unspent=unspent,
            )
        )
