"""Feast's open faults: each test shows Feast 0.67's quick-start stores at fault and these stores right.

The numbers are those of the issues in Feast's tracker.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from tests.features.feast_repository import (
    FEASTS,
    OURS,
    a_driver_view,
    a_repository,
    a_row,
    online_status,
    online_value,
    the_driver,
    write_rows,
)

if TYPE_CHECKING:
    from feast import FeatureStore

pytestmark = pytest.mark.filterwarnings("ignore")  # Feast and Dask warn of their own dependencies

NOW = datetime.now(UTC).replace(microsecond=0)  # Feast asks the real clock, and so must its tests
LONG_AGO = NOW - timedelta(days=2000)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


@pytest.fixture
def stores(tmp_path: Path) -> Callable[..., list[FeatureStore]]:
    """Feast's stores and ours, on the same rows under the same definitions."""

    def make(rows: list[dict[str, Any]], **options: Any) -> list[FeatureStore]:
        made = []
        for name, kinds in (("feast", FEASTS), ("ours", OURS)):
            store = a_repository(tmp_path / name, kinds)
            store.apply([the_driver(), a_driver_view(tmp_path / name, rows, **options)])
            made.append(store)
        return made

    return make


def history(store: FeatureStore, rows: pd.DataFrame) -> pd.DataFrame:
    return store.get_historical_features(entity_df=rows, features=["stats:value"]).to_df()


def test_6821_a_value_older_than_its_ttl_is_not_served_as_present(stores: Any) -> None:
    feast, ours = stores([a_row(1, 7.0, ago(days=400))], ttl=timedelta(days=1))
    for store in (feast, ours):
        store.materialize(LONG_AGO, NOW)
    assert (online_value(feast), online_status(feast)) == (7.0, "PRESENT")
    assert (online_value(ours), online_status(ours)) == (None, "OUTSIDE_MAX_AGE")


def test_6787_rows_that_share_key_and_time_all_come_back(stores: Any) -> None:
    feast, ours = stores([a_row(1, 7.0, ago(days=2))])
    asked = pd.DataFrame({"driver": [1, 1, 2], "order": ["a", "b", "c"], "event_timestamp": [NOW, NOW, NOW]})
    assert len(history(feast, asked)) == 2
    found = history(ours, asked)
    assert found["order"].tolist() == ["a", "b", "c"]
    assert found["value"].fillna(-1).tolist() == [7.0, 7.0, -1.0]


def test_6615_a_correction_is_unknown_before_it_was_made(stores: Any) -> None:
    rows = [a_row(1, 7.0, ago(days=9)), a_row(1, 0.0, ago(days=9), created=ago(days=2))]
    feast, ours = stores(rows)
    asked = pd.DataFrame({"driver": [1, 1], "event_timestamp": [ago(days=5), ago(days=1)]})
    assert history(feast, asked).sort_values("event_timestamp")["value"].tolist() == [0.0, 0.0]
    assert history(ours, asked)["value"].tolist() == [7.0, 0.0]


def test_5228_the_most_recent_point_stays_online(stores: Any) -> None:
    # The end of a range counts in Feast 0.67; a second run up to an earlier end still brings the older point back.
    feast, ours = stores([a_row(1, 14.0, ago(hours=2)), a_row(1, 15.0, ago(hours=1))])
    for store in (feast, ours):
        store.materialize(LONG_AGO, ago(hours=1))
        assert online_value(store) == 15.0
        store.materialize(LONG_AGO, ago(hours=2))
    assert online_value(feast) == 14.0
    assert online_value(ours) == 15.0


def test_4222_an_end_in_the_future_does_not_stop_later_runs(stores: Any, tmp_path: Path) -> None:
    first, later = a_row(1, 1.0, ago(days=3)), a_row(1, 2.0, ago(hours=1))
    feast, ours = stores([first])
    values = []
    for store, name in ((feast, "feast"), (ours, "ours")):
        store.materialize_incremental(NOW + timedelta(days=300))
        write_rows(tmp_path / name / "stats.parquet", [first, later])
        store.materialize_incremental(NOW + timedelta(days=301))
        values.append(online_value(store))
    assert values == [1.0, 2.0]


def test_4133_a_row_that_arrives_late_is_not_lost(stores: Any, tmp_path: Path) -> None:
    first = a_row(1, 1.0, ago(days=3))
    late = a_row(2, 2.0, ago(days=2), created=NOW - timedelta(minutes=1))
    feast, ours = stores([first], ttl=timedelta(days=30))
    values = []
    for store, name in ((feast, "feast"), (ours, "ours")):
        store.materialize_incremental(ago(days=1))
        write_rows(tmp_path / name / "stats.parquet", [first, late])
        store.materialize_incremental(NOW)
        values.append(online_value(store, driver=2))
    assert values == [None, 2.0]


def test_2905_an_apply_between_runs_loses_nothing(stores: Any, tmp_path: Path) -> None:
    # Feast 0.67 keeps its date over a plain apply, but not while the view is away: it then starts a year ago.
    rows = [a_row(1, 1.0, ago(days=600)), a_row(2, 2.0, ago(days=20))]
    feast, ours = stores(rows)
    values = []
    for store, name in ((feast, "feast"), (ours, "ours")):
        store.materialize(LONG_AGO, ago(days=10))
        view = a_driver_view(tmp_path / name, rows)
        store.apply([], objects_to_delete=[view], partial=False)
        store.apply([the_driver(), view])
        store.materialize_incremental(NOW)
        values.append([online_value(store, driver) for driver in (1, 2)])
    assert values == [[None, 2.0], [1.0, 2.0]]


def test_rows_whose_only_match_is_outside_the_ttl_come_back_with_nulls(stores: Any) -> None:
    feast, ours = stores([a_row(1, 7.0, ago(days=9))], ttl=timedelta(days=1))
    asked = pd.DataFrame({"driver": [1, 2], "event_timestamp": [NOW, NOW]})
    assert len(history(feast, asked)) == 1
    assert history(ours, asked)["value"].isna().tolist() == [True, True]
