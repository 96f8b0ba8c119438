"""The join by key partitions on Ray and on Spark, beside the default engine, row by row (`make test-scale`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.features.builders import INSTANT, TEAM, a_view, day, stored_history
from tests.features.test_point_in_time import a_places_view
from touchline.features import PartitionRunner, build_training_set, open_runner, point_in_time_join

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore")]  # both clusters warn of their own libraries


@pytest.fixture(scope="module", params=["ray", "spark"])
def runner(request: pytest.FixtureRequest) -> Iterator[PartitionRunner]:
    """A small cluster on this machine; another one adds its name to the list."""
    if request.param == "ray":
        ray = pytest.importorskip("ray")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield open_runner("ray")
        ray.shutdown()
        return
    sql = pytest.importorskip("pyspark.sql")
    yield open_runner("spark", "local[2]")
    sql.SparkSession.getActiveSession().stop()


def a_history(folder: Path, *, corrected: bool, count: int = 5000) -> pl.LazyFrame:
    chance = np.random.default_rng(7)
    event = pl.Series(chance.integers(0, 400 * 86_400, count) * 1_000_000 + 1_700_000_000_000_000).cast(INSTANT)
    late = pl.Series(chance.integers(0, 30, count) * corrected)
    frame = pl.DataFrame({"team": [f"t{number:03}" for number in chance.integers(0, 80, count)]}).with_columns(
        event_timestamp=event,
        created_timestamp=event + pl.duration(days=late),
        value=pl.Series(chance.integers(0, 1000, count)),
    )
    path = folder / "places.parquet"
    frame.sort("team", "event_timestamp", "created_timestamp").write_parquet(path, row_group_size=500)
    return pl.scan_parquet(path)


def the_examples(count: int = 3000) -> pl.DataFrame:
    chance = np.random.default_rng(8)
    cutoffs = pl.Series(chance.integers(0, 420 * 86_400, count) * 1_000_000 + 1_700_000_000_000_000).cast(INSTANT)
    teams = [None if number > 88 else f"t{number:03}" for number in chance.integers(0, 92, count)]
    return pl.DataFrame({"team": teams, "rival": teams[::-1], "cutoff": cutoffs})


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("ttl", [None, timedelta(days=20)])
def test_a_cluster_joins_row_by_row_what_the_default_engine_joins(
    runner: PartitionRunner, tmp_path: Path, corrected: bool, ttl: timedelta | None
) -> None:
    view = a_places_view(ttl, TEAM)
    joins, histories = (
        [view.on("team"), view.on("rival", prefix="rival")],
        {"places": a_history(tmp_path, corrected=corrected)},
    )
    expected = point_in_time_join(the_examples(), joins, histories)
    found = point_in_time_join(the_examples(), joins, histories, runner=runner)
    assert expected["value"].null_count() not in (0, len(expected))
    assert found.rows() == expected.rows()
    assert found.schema == expected.schema


def test_no_examples_and_an_empty_history_need_no_cluster(runner: PartitionRunner, tmp_path: Path) -> None:
    view, history = a_places_view(keys=TEAM), a_history(tmp_path, corrected=False)
    nothing = point_in_time_join(the_examples().clear(), [view.on("team")], {"places": history}, runner=runner)
    assert nothing.shape == (0, 4)
    empty = point_in_time_join(the_examples(50), [view.on("team")], {"places": history.clear()}, runner=runner)
    assert empty["value"].null_count() == len(empty) == 50


def test_a_training_set_made_on_a_cluster_has_the_same_hash(runner: PartitionRunner, tmp_path: Path) -> None:
    a_history(tmp_path, corrected=True)
    view = a_places_view(keys=TEAM)
    history = stored_history(view, pl.read_parquet(tmp_path / "places.parquet"), tmp_path)
    frame = the_examples().with_row_index("example_id").with_columns(pl.col("example_id").cast(pl.String))
    local = build_training_set(frame, [view.on("team")], {view.name: history})
    assert build_training_set(frame, [view.on("team")], {view.name: history}, runner=runner).hash == local.hash


def test_the_feast_store_joins_on_a_cluster(runner: PartitionRunner, tmp_path: Path) -> None:
    from tests.features.feast_repository import OURS, a_driver_view, a_repository, a_row, the_driver

    rows = [a_row(driver, driver * 10.0 + at, day(at)) for driver in range(20) for at in range(5)]
    name = type(runner).__name__.removesuffix("Runner").lower()
    entities = pl.DataFrame({"driver": [7, 3, 99] * 10, "event_timestamp": [day(2, hour=1)] * 30}).to_pandas()
    answers = []
    for joins in ("local", name):
        offline: dict[str, Any] = {**OURS["offline_store"], "joins": joins}
        store = a_repository(tmp_path / joins, {**OURS, "offline_store": offline})
        store.apply([the_driver(), a_driver_view(tmp_path / joins, rows)])
        answers.append(store.get_historical_features(entity_df=entities, features=["stats:value"]).to_arrow())
    assert answers[0]["value"].to_pylist()[:3] == [72.0, 32.0, None]
    assert answers[1].equals(answers[0])


def test_a_view_of_several_joins_is_read_once(runner: PartitionRunner) -> None:
    view = a_view()
    frame = pl.DataFrame(
        {
            "team": ["A", "B"],
            "event_timestamp": [day(1), day(2)],
            "created_timestamp": [day(1), day(2)],
            "total": [3, 5],
        },
        schema_overrides={"event_timestamp": INSTANT, "created_timestamp": INSTANT},
    )
    examples = pl.DataFrame({"home": ["B", "A"], "away": ["A", "B"], "cutoff": [day(3), day(1)]})
    joins = [view.on("home", prefix="home"), view.on("away", prefix="away")]
    found = point_in_time_join(examples, joins, {view.name: frame.lazy()}, runner=runner)
    assert found.select("home_total", "away_total").rows() == [(5, 3), (3, None)]
