from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.features.builders import NOW, a_game, a_view, day, snapshot, stored_history
from touchline.errors import CorruptedFeatures, FeaturesExpired, InvalidEntityKey
from touchline.features import (
    ColumnSpec,
    FeatureReader,
    FeatureView,
    OnlineStore,
    ServedView,
    build_history,
    materialize,
    on_demand,
)
from touchline.features.offline.histories import FeatureHistory
from touchline.features.vectors.watermark import ViewMetadata, micros

GAMES = [a_game("1", day(1), points=3), a_game("2", day(9), points=1), a_game("3", day(3), team="B", points=5)]
COLUMNS = (
    ColumnSpec("home_total", "number", origin="view:running_total"),
    ColumnSpec("away_total", "number", origin="view:running_total"),
    ColumnSpec("gap", "number", origin="on_demand"),
    ColumnSpec("ground", "category", levels=("away", "home")),
)


@on_demand(inputs=["home_total", "away_total"])
def gaps(columns: Any) -> Any:
    return {"gap": columns["home_total"] - columns["away_total"]}


def a_stored_history(view: FeatureView, folder: Path, games: list[dict[str, Any]]) -> FeatureHistory:
    rows = build_history(view, {"games": snapshot(games)})
    return stored_history(view, rows, folder)


@pytest.fixture
def a_reader(online_store: OnlineStore, tmp_path: Path) -> Any:
    def make(games: list[dict[str, Any]] = GAMES, **options: Any) -> FeatureReader:
        view = a_view(**options)
        materialize(view, a_stored_history(view, tmp_path, games), online_store, now=NOW)
        joins = [view.on("home", prefix="home"), view.on("away", prefix="away")]
        return FeatureReader(
            views=tuple(ServedView.of("p", join) for join in joins),
            columns=COLUMNS,
            store=online_store,
            transforms=(gaps,),
        )

    return make


def test_a_vector_comes_in_model_order_with_on_demand_columns(a_reader: Any) -> None:
    vector, statuses = a_reader().read_one({"home": "A", "away": "B", "ground": "home"}, NOW)
    assert vector.tolist() == [4.0, 5.0, -1.0, 1.0]
    assert [status.status for status in statuses] == ["present", "present"]
    assert statuses[0].event_timestamp == day(9)
    assert statuses[0].watermark == day(9)


def test_many_rows_are_read_as_one_by_one(a_reader: Any) -> None:
    reader = a_reader()
    rows = [{"home": home, "away": away} for home in "ABC" for away in "ABC"]
    together = reader.read(rows, [NOW] * len(rows)).vectors
    np.testing.assert_array_equal(together, [reader.read_one(row, NOW)[0] for row in rows])


@pytest.mark.parametrize("case", ["present", "null", "missing", "expired", "later", "rewritten"])
def test_many_rows_together_are_what_each_is_by_itself(online_store: OnlineStore, case: str) -> None:
    """Whole numbers, fractions and truth values, unpacked as arrays unless a row needs to be looked at by itself."""
    fields = (("points", "int"), ("share", "float"), ("is_champion", "bool"))
    view = ServedView("p", "form", "v1", "", ("team",), ("team",), ("str",), fields, ttl_seconds=86_400 * 30.0)
    columns = [ColumnSpec(name, "number", origin="view:form") for name, _ in fields]
    stamps = [micros(day(number / 7)) for number in range(40)]
    values: list[Any] = [(-number, number / 3, number % 2 == 0) for number in range(40)]
    if case == "null":
        values[7] = (None, 0.5, None)
    if case == "expired":
        stamps[9] = micros(day(-90))
    rows = [
        (view.key({"team": f"T{n}"}) or b"", view.layout.pack(s, s, v))
        for n, (s, v) in enumerate(zip(stamps, values, strict=True))
    ]
    known = day(2) if case == "rewritten" else day(6)
    online_store.write(rows, {view.keys.metadata: ViewMetadata(view.layout.id, micros(known), micros(known)).pack()})
    cutoffs = [day(3) if case == "later" and number == 30 else day(10, hour=number) for number in range(40)]
    asked = [{"team": f"T{'?' if case == 'missing' and number == 3 else number}"} for number in range(40)]
    reader = FeatureReader((view,), tuple(columns), online_store)
    together = reader.read(asked, cutoffs)
    alone = [reader.read_one(row, cutoff) for row, cutoff in zip(asked, cutoffs, strict=True)]
    np.testing.assert_array_equal(together.vectors, [vector for vector, _ in alone])
    assert together.statuses == tuple(statuses for _, statuses in alone)
    assert together.vectors[12].tolist() == [-12.0, 4.0, 1.0]


def test_a_damaged_value_among_many_is_an_error(online_store: OnlineStore) -> None:
    view = ServedView("p", "form", "v1", "", ("team",), ("team",), ("str",), (("elo", "float"),))
    rows = [(view.key({"team": f"T{number}"}) or b"", view.layout.pack(1, 1, (1.0,))) for number in range(20)]
    rows[11] = (rows[11][0], rows[11][1][:-1] + b"\x07")
    online_store.write(rows, {view.keys.metadata: ViewMetadata(view.layout.id, 1, 1).pack()})
    reader = FeatureReader((view,), (ColumnSpec("elo", "number", origin="view:form"),), online_store)
    with pytest.raises(CorruptedFeatures, match="T11"):
        reader.read([{"team": f"T{number}"} for number in range(20)], [NOW] * 20)


def test_an_unknown_entity_is_missing_and_a_null_key_too(a_reader: Any) -> None:
    vector, statuses = a_reader().read_one({"home": "Z", "away": None}, NOW)
    assert np.isnan(vector).all()
    assert [status.status for status in statuses] == ["missing", "missing"]


def test_a_value_older_than_its_ttl_is_expired_and_null(a_reader: Any) -> None:
    reader = a_reader(ttl=timedelta(days=5))
    vector, statuses = reader.read_one({"home": "A", "away": "B"}, day(10))
    assert [status.status for status in statuses] == ["present", "expired"]
    assert np.isnan(vector[1])


def test_the_policy_fail_says_how_old_the_value_is(a_reader: Any) -> None:
    reader = a_reader(ttl=timedelta(days=5), fallback="fail")
    with pytest.raises(FeaturesExpired, match="for 'B' are expired: from 2024-01-04"):
        reader.read_one({"home": "A", "away": "B"}, day(10))


def test_a_value_from_after_the_cutoff_is_not_served(a_reader: Any) -> None:
    vector, statuses = a_reader().read_one({"home": "A", "away": "B"}, day(5))
    assert statuses[0].status == "fallback"
    assert np.isnan(vector[0])


def test_a_future_value_waits_until_it_is_known(a_reader: Any) -> None:
    late = NOW + timedelta(days=9)
    _, statuses = a_reader([*GAMES, a_game("9", late, points=9)]).read_one({"home": "A", "away": "B"}, late)
    assert statuses[0].event_timestamp == day(9)


def test_a_key_of_the_wrong_type_is_an_error(a_reader: Any) -> None:
    with pytest.raises(InvalidEntityKey, match="must be text"):
        a_reader().read_one({"home": 7, "away": "B"}, NOW)


def test_a_damaged_value_is_an_error_and_never_a_number(a_reader: Any, online_store: OnlineStore) -> None:
    reader = a_reader()
    key = reader.views[0].key({"home": "A"})
    value = bytearray(online_store.read([key])[0] or b"")
    value[-1] ^= 1
    online_store.write([], {key: bytes(value)})
    with pytest.raises(CorruptedFeatures, match="checksum"):
        reader.read_one({"home": "A", "away": "B"}, NOW)


def test_a_served_view_survives_json(a_reader: Any) -> None:
    for view in a_reader().views:
        assert ServedView.from_json(view.to_json()) == view


def test_the_reader_is_the_offline_join(a_reader: Any, tmp_path: Path) -> None:
    from touchline.features import build_training_set

    view = a_view()
    examples = pl.DataFrame({"example_id": ["1"], "cutoff": [NOW], "home": ["A"], "away": ["B"], "ground": ["home"]})
    joins = [view.on("home", prefix="home"), view.on("away", prefix="away")]
    histories = {view.name: a_stored_history(view, tmp_path, GAMES)}
    training_set = build_training_set(examples, joins, histories, ["ground"], [gaps])
    assert [column.name for column in training_set.columns] == ["home_total", "away_total", "ground", "gap"]
    online = a_reader().read_one({"home": "A", "away": "B", "ground": "home"}, NOW)[0]
    assert training_set.vectors()[0].tolist() == [online[0], online[1], 0.0, online[2]]


@pytest.mark.services
def test_the_reader_imports_neither_feast_nor_pandas_nor_polars() -> None:
    code = (
        "import sys; from touchline.features import FeatureReader, ServedView, ColumnSpec, RowPlan;"
        "import touchline.features.online.sqlite, touchline.features.online.redis;"
        "print(sorted({'feast', 'pandas', 'polars', 'pyarrow', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
