"""`replay` and `features verify` compute features again in one way, and both count fall-backs apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.builders import NOW, a_game, a_view, day, snapshot, stored_history
from tests.features.test_reader import COLUMNS, gaps
from tests.predictions.builders import a_row, write_rows
from tests.serving.builders import Logit, a_release
from tests.stores import SomeStores, some_stores
from touchline.features import (
    ColumnSpec,
    FeatureHistories,
    FeatureReader,
    ServedView,
    build_history,
    materialize,
    on_demand,
    open_online_store,
)
from touchline.predictions import Sample, replay_sample, verify_features
from touchline.predictions.database_writer import DatabaseWriter
from touchline.registry import InputField, LoadedRelease, Releases
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext
from touchline.storage import Database
from touchline.storage.ulids import Ulids

GAMES = [a_game(str(n), day(n), team="ABC"[n % 3], points=n) for n in range(1, 30)]
Case = Literal["served", "not materialized", "fallback", "given", "skewed"]
CHECKS = {
    "served": "equal",
    "not materialized": "equal",
    "fallback": "fallback",
    "given": "given",
    "skewed": "different",
}


@dataclass
class Shop:
    """A release over two joins of a view, its feature history, and readers before and after materialization."""

    stores: SomeStores
    release: LoadedRelease
    materialized: FeatureReader
    empty: FeatureReader
    numbers: Iterator[int]

    def log(self, rows: list[tuple[Case, str, str, float]]) -> LoadedRelease:
        """Log rows as they would be served, under a release of their own."""
        release = replace(self.release, digest=f"{next(self.numbers):016}")
        write_rows(self.stores.database, [self._row(release, *row) for row in rows])
        return release

    def _row(self, release: LoadedRelease, case: Case, home: str, away: str, at: float) -> dict[str, Any]:
        reader = self.empty if case == "not materialized" else self.materialized
        request = {"home": home, "away": away, "ground": "home"}
        vector, statuses = reader.read_one(request, day(at))
        views = {f"{one.view}:{one.prefix}": _status(one, case) for one in statuses}
        vector = vector.copy()
        if case != "served":
            vector += {"skewed": 1.0, "fallback": 2.0, "given": 3.0}.get(case, 0.0)
            vector[0] = 7.0 if case in ("skewed", "fallback", "given") else vector[0]
        return a_row(
            f"{next(self.numbers):026}",
            project=release.project,
            release_id=release.id,
            entity_keys={"home": home, "away": away},
            inputs={"ground": "home"},
            cutoff=day(at),
            views={} if case == "given" else views,
            vector=vector.astype("<f8").tobytes(),
            output=release.output(release.model.predict(vector.reshape(1, -1))[0].tolist()),
        )


def _status(status: Any, case: Case) -> Mapping[str, Any]:
    return {
        "feature_version": status.feature_version,
        "status": "fallback" if case == "fallback" else status.status,
        "event_timestamp": _text(status.event_timestamp),
        "watermark": _text(status.watermark),
    }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    stores, view = some_stores(database, tmp_path), a_view(ttl=timedelta(days=6))
    history = replace(
        stored_history(view, build_history(view, {"games": snapshot(GAMES)}), tmp_path / "objects"), project="shop"
    )
    FeatureHistories(stores).record(history, at=NOW)
    filled, empty = (open_online_store("sqlite", str(tmp_path / f"{name}.db")) for name in ("filled", "empty"))
    materialize(view, history, filled, now=NOW)
    materialize(view, history, empty, now=day(-100))  # nothing is known then
    views = tuple(ServedView.of("shop", view.on(side, prefix=side)) for side in ("home", "away"))
    release = a_release(columns=COLUMNS, views=views, transforms=(gaps,), inputs=(), model=Logit())
    readers = [FeatureReader(views, COLUMNS, store, (gaps,)) for store in (filled, empty)]
    return Shop(stores, release, *readers, count())


ROWS = st.lists(
    st.tuples(st.sampled_from(sorted(CHECKS)), st.sampled_from("ABC"), st.sampled_from("ABCZ"), st.floats(30, 40)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_replay_and_verification_agree_on_every_row(shop: Shop, rows: list[Any]) -> None:
    release = shop.log(rows)
    replayed = replay_sample(shop.stores, "shop", Sample(None, release_id=release.id), open_release=lambda _: release)
    verified = verify_features(release, shop.stores, sample=None, at=NOW)
    expected = [CHECKS[case] for case, *_ in rows]
    assert dict(replayed.features) == {check: expected.count(check) for check in set(expected)}
    assert len(replayed.mismatches) == expected.count("different")
    report = verified.report
    assert (report.checked, report.mismatched) == (
        expected.count("equal") + expected.count("different"),
        expected.count("different"),
    )
    assert (report.fallback_rows, verified.given) == (expected.count("fallback"), expected.count("given"))
    different = {one.prediction_id for one in replayed.mismatches}
    assert {one.prediction_id for one in report.mismatches} == different


def test_what_cannot_be_compared_is_counted_by_its_reason(shop: Shop) -> None:
    release = shop.log([("served", "A", "B", 31.0), ("given", "A", "B", 31.0), ("fallback", "A", "B", 31.0)])
    sample = Sample(None, release_id=release.id)
    other_version = tuple(replace(view, feature_version="never computed") for view in release.manifest.views)
    without = replace(release, manifest=replace(release.manifest, views=other_version))
    report = replay_sample(shop.stores, "shop", sample, open_release=lambda _: without)
    assert (dict(report.features), report.mismatches) == ({"no history": 1, "given": 1, "fallback": 1}, ())
    gone = replay_sample(shop.stores, "shop", sample, open_release=Releases(shop.stores).open)
    assert (dict(gone.features), len(gone.mismatches)) == ({"no release": 3}, 3)
    assert "has no release" in (gone.mismatches[0].difference or "")


@on_demand(inputs=["since", "colour"])
def parts(columns: Any) -> Any:
    return {"days": columns["since"] / 86400, "has_colour": np.array([one is not None for one in columns["colour"]])}


LATEST = day(60_000).replace(tzinfo=None)  # float64 holds microseconds since 1970 exactly up to the year 2255
BODIES = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.integers(0, 120) | st.floats(0, 120),
            "colour": st.sampled_from(["blue", "red", "an unseen one", None]),
            "since": st.datetimes(day(-9999).replace(tzinfo=None), LATEST, timezones=st.timezones()) | st.none(),
        }
    ),
    min_size=1,
    max_size=5,
)

INPUTS = (
    InputField("age", {"type": "number", "minimum": 0, "maximum": 120}),
    InputField("colour", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    InputField("since", {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
)
INPUT_COLUMNS = (
    ColumnSpec("age", "number"),
    ColumnSpec("colour", "category", ("blue", "red")),
    ColumnSpec("since", "number"),
    ColumnSpec("days", "number", origin="on_demand"),
    ColumnSpec("has_colour", "number", origin="on_demand"),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES)
def test_a_request_is_replayed_from_its_log_row_as_it_was_scored(
    database: Database, tmp_path: Path, rows: list[Any]
) -> None:
    """Instants, unseen categories and nulls go through JSON twice: in the request and in the log."""
    release = a_release(inputs=INPUTS, columns=INPUT_COLUMNS, transforms=(parts,), model=Logit(), example=None)
    release = replace(release, manifest=replace(release.manifest, project=f"shop-{next(_NUMBERS)}"))
    predictor = Predictor(release, None)
    checked, _ = predictor.requests.read_body(orjson.dumps(rows), 10)
    answers = predictor.answer(checked, RequestContext("request", None, NOW, NOW), Ulids().next)
    DatabaseWriter(database).write([answer.line for answer in answers])
    report = replay_sample(some_stores(database, tmp_path), release.project, Sample(), open_release=lambda _: release)
    assert (dict(report.features), report.mismatches) == ({"equal": len(rows)}, ())


_NUMBERS = count()
