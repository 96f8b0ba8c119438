"""Old rows of the prediction log move to Parquet, whatever their role."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl

from tests.predictions.builders import NOW, a_row, write_rows
from touchline.predictions import (
    EVERY_ROLE,
    Exported,
    PredictionRecords,
    export_predictions,
    prune_predictions,
)
from touchline.storage import Database, ObjectStore, open_objects

DAY = timedelta(days=1)


def _rows() -> list[dict[str, object]]:
    """Three rows in April and May, one of them of a shadow version; one row of today."""
    days = {"1": 45, "2": 40, "3": 2, "4": 0}
    roles = {"2": "shadow"}
    return [
        a_row(number, answered_at=NOW + 14 * DAY - age * DAY, role=roles.get(number, "answer"), inputs={"age": age})
        for number, age in days.items()
    ]


def _exported(objects: ObjectStore, exported: Exported) -> dict[str, list[str]]:
    """Prediction ids by month."""
    ids: dict[str, list[str]] = {}
    for key in exported.object_keys:
        project, _, month, _ = key.split("/")
        assert project == "shop"
        ids.setdefault(month, []).extend(pl.read_parquet(objects.local_path(key))["prediction_id"])
    return ids


def _left(database: Database) -> list[str]:
    newest = PredictionRecords(database, "shop").newest(9, roles=EVERY_ROLE)
    return sorted(row.prediction_id for row in newest)


def test_old_rows_of_every_role_leave_the_database_for_files_by_month(database: Database, tmp_path: Path) -> None:
    objects, now = open_objects(tmp_path / "objects"), NOW + 14 * DAY
    write_rows(database, [*_rows(), a_row("5", project="leads", answered_at=NOW - 99 * DAY)])
    assert prune_predictions(database, objects, "shop", until=now - 50 * DAY).deleted == 0
    pruned = prune_predictions(database, objects, "shop", until=now - DAY)
    assert (pruned.deleted, _left(database)) == (3, ["4"])
    assert _exported(objects, pruned.exported) == {"2024-03": ["1"], "2024-04": ["2"], "2024-05": ["3"]}
    assert PredictionRecords(database, "leads").counts().predictions == 1


def test_an_export_copies_the_rows_of_a_period_whole(database: Database, tmp_path: Path) -> None:
    objects, now = open_objects(tmp_path / "objects"), NOW + 14 * DAY
    write_rows(database, _rows())
    exported = export_predictions(database, objects, "shop", since=now - 41 * DAY, until=now)
    assert _exported(objects, exported) == {"2024-04": ["2"], "2024-05": ["3"]}
    assert _left(database) == ["1", "2", "3", "4"]
    row = pl.read_parquet(objects.local_path(exported.object_keys[1])).row(0, named=True)
    stored = vars(PredictionRecords(database, "shop").find("3"))
    assert row == stored | {"inputs": '{"age":2}', "views": "{}", "entity_keys": "{}", "output": row["output"]}
