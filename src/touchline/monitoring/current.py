"""What a release has been asked and has answered since a prediction: the current window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, and_, func, select

from touchline.errors import ProfileMismatch
from touchline.monitoring.window import CurrentRows, Window
from touchline.statistics import Profile
from touchline.statistics.samples import FloatArray
from touchline.storage import Database
from touchline.storage.tables import predictions
from touchline.storage.ulids import first_ulid_letters

# More rows find nothing that these do not; the newest are taken.
MAX_ROWS = 50_000
# Every server writes its answers within about a second of giving them, so that a window ends where all are in.
_WRITTEN_BY = timedelta(seconds=5)


def read_current(
    database: Database, project: str, release_id: str, profile: Profile, *, after: str = "", wall: datetime
) -> CurrentRows:
    """Read the answers with a prediction id above `after`, up to those that every server has written by `wall`.

    Where the reference has clusters and an answer names none, the day of its cutoff (UTC) is its cluster.
    """
    wanted = and_(_answers(project, release_id), predictions.c.prediction_id > after, _is_written(wall))
    rows, total = _read(database, wanted)
    latest = {row.example_id or row.prediction_id: row for row in rows}
    kept = sorted(latest.values(), key=lambda row: row.prediction_id)
    is_clustered = profile.clusters < profile.rows
    return CurrentRows(
        matrix=_matrix(kept, profile, release_id),
        clusters=tuple(row.cluster or f"{row.cutoff:%Y-%m-%d}" for row in kept) if is_clustered else None,
        window=Window(after, rows[-1].prediction_id if rows else after),
        repeats=len(rows) - len(kept),
        left_out=total - len(rows),
    )


def count_answers(database: Database, project: str, release_id: str, window: Window) -> int:
    """How many answers of a window are in the log by now."""
    ids = predictions.c.prediction_id
    wanted = and_(_answers(project, release_id), ids > window.after, ids <= window.until)
    with database.connect() as connection:
        return connection.execute(select(func.count()).select_from(predictions).where(wanted)).scalar_one()


def _answers(project: str, release_id: str) -> ColumnElement[bool]:
    table = predictions.c
    return and_(table.project == project, table.release_id == release_id, table.role == "answer")


def _is_written(wall: datetime) -> ColumnElement[bool]:
    # The first ten letters of an id are its time.
    return predictions.c.prediction_id < first_ulid_letters(wall - _WRITTEN_BY)


def _read(database: Database, wanted: ColumnElement[bool]) -> tuple[list[Row[Any]], int]:
    table = predictions.c
    columns = select(table.prediction_id, table.example_id, table.cluster, table.cutoff, table.vector, table.output)
    with database.connect() as connection:
        total = connection.execute(select(func.count()).select_from(predictions).where(wanted)).scalar_one()
        newest = connection.execute(columns.where(wanted).order_by(table.prediction_id.desc()).limit(MAX_ROWS)).all()
    return list(reversed(newest)), total


def _matrix(rows: Sequence[Row[Any]], profile: Profile, release_id: str) -> FloatArray:
    width = len(profile.features)
    if not rows:
        return np.empty((0, len(profile.columns)))
    sizes = {len(row.vector) for row in rows}
    if sizes != {8 * width}:
        raise ProfileMismatch(
            release_id, f"vectors of {sorted(size // 8 for size in sizes)} numbers", f"{width} features"
        )
    vectors = np.frombuffer(b"".join(row.vector for row in rows), dtype="<f8").reshape(len(rows), width)
    names = [column.name for column in profile.outputs]
    return np.hstack(
        [vectors, np.array([_outputs(row.output, names, release_id) for row in rows]).reshape(len(rows), -1)]
    )


def _outputs(output: Mapping[str, Any], names: Sequence[str], release_id: str) -> list[float]:
    """The logged answer as the profile names it: `value`, or `p_<class>` for each class."""
    said = {f"p_{name}": value for name, value in output.get("probabilities", {}).items()}
    if "value" in output:
        said["value"] = output["value"]
    missing = [name for name in names if name not in said]
    if missing:
        raise ProfileMismatch(release_id, f"outputs {sorted(said)}", f"outputs {sorted(names)}")
    return [float(said[name]) for name in names]
