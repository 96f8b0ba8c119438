"""Every entrance gives the same vector for the same values: training, lookup, by value, bulk and recomputation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.features.builders import stored_history
from tests.serving.builders import a_release
from touchline.contracts import Contract
from touchline.features import (
    ColumnSpec,
    Entity,
    FeatureReader,
    FeatureView,
    LoggedVector,
    OnDemand,
    RowPlan,
    ServedView,
    build_training_set,
    on_demand,
)
from touchline.features.online.materialize import packed_rows, view_layout
from touchline.features.vectors.watermark import ViewMetadata, micros
from touchline.features.verification.verify import recompute
from touchline.ingest import Source
from touchline.registry import InputField
from touchline.serving.predicting.bulk import score_frame

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVENT = datetime(2024, 1, 1, tzinfo=UTC)
CUTOFF = EVENT + timedelta(days=1)
INSTANT = pl.Datetime("us", "UTC")
FEATURES = {"ratio": pl.Float64, "count": pl.Int64, "is_home": pl.Boolean, "moment": INSTANT, "ground": pl.String}
INPUTS = {"amount": pl.Float64, "seats": pl.Int64, "is_paid": pl.Boolean, "made_at": INSTANT, "channel": pl.String}
LEVELS = ("", "a", "b")  # other texts were never seen in training
VIEW_COLUMNS = [f"own_{name}" for name in FEATURES]

instants = st.integers(-(2**53), 2**53).map(lambda micros: EPOCH + timedelta(microseconds=micros))
texts = st.sampled_from(["", "a", "b", "unseen", "straße", "NaN", "1"])
whole = st.integers(-(2**63), 2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
feature_rows = st.fixed_dictionaries(
    {
        "ratio": st.none() | st.floats(),
        "count": st.none() | whole,
        "is_home": st.none() | st.booleans(),
        "moment": st.none() | instants,
        "ground": st.none() | texts,
    }
)
input_rows = st.fixed_dictionaries(
    {
        "amount": st.none() | finite,
        "seats": st.none() | st.integers(-(2**53), 2**53),
        "is_paid": st.none() | st.booleans(),
        "made_at": st.none() | instants,
        "channel": st.none() | texts,
    }
)
cutoffs_of_rows = st.integers(0, 2**52).map(lambda micros: EVENT + timedelta(microseconds=micros))
rows_of_both = st.lists(st.tuples(feature_rows, input_rows, cutoffs_of_rows), min_size=1, max_size=12)


class Row(Contract):
    key: str
    at: datetime
    ratio: float | None = None
    count: int | None = None
    is_home: bool | None = None
    moment: datetime | None = None
    ground: str | None = None


class NoProvider:
    def fetch(self, _: Any) -> Any:
        raise AssertionError("nothing is fetched")


def lengths(texts: NDArray[Any]) -> NDArray[np.float64]:
    return np.array([np.nan if text is None else len(text) for text in texts], dtype=np.float64)


def mixed(columns: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Reads numbers, an instant and both kinds of categories."""
    return {
        "ground_length": lengths(columns["own_ground"]),
        "channel_length": lengths(columns["channel"]),
        "product": columns["own_ratio"] * columns["amount"] + columns["own_moment"],
    }


def since(own_moment: NDArray[Any], cutoff: NDArray[Any], day: float = 86_400.0) -> NDArray[np.float64]:
    """Takes its inputs by name, and the instant of the prediction."""
    return (cutoff - own_moment) / day


SOURCE = Source("rows", contract=Row, key="key", event_time="at", provider=NoProvider())
VIEW = FeatureView(
    name="form",
    entity=Entity(name="team", join_keys=["key"]),
    sources=(SOURCE,),
    function=lambda rows: rows.select("key", "event_timestamp", *FEATURES),
)
JOIN = VIEW.on("team", prefix="own")
TRANSFORM = OnDemand(
    name="mixed", function=mixed, inputs=("own_ground", "channel", "own_ratio", "amount", "own_moment")
)
TRANSFORMS = (TRANSFORM, on_demand(since))


def spec(name: str, dtype: Any, origin: str) -> ColumnSpec:
    return (
        ColumnSpec(name, "category", LEVELS, origin) if dtype == pl.String else ColumnSpec(name, "number", (), origin)
    )


COLUMNS = (
    *(spec(f"own_{name}", dtype, "view:form") for name, dtype in FEATURES.items()),
    *(spec(name, dtype, "input") for name, dtype in INPUTS.items()),
    *(ColumnSpec(name, "number", (), "on_demand") for transform in TRANSFORMS for name in transform.outputs),
)


@dataclass
class Memory:
    """An online store in memory."""

    values: dict[bytes, bytes] = field(default_factory=dict)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.values.get(key) for key in keys]


@dataclass
class Identity:
    """A model that predicts its vector, so that the vectors of a bulk job can be seen."""

    vectors: NDArray[np.float64] | None = None

    def predict(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        self.vectors = vectors
        return np.zeros((len(vectors), 2))


def the_history(features: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    stamps = {"event_timestamp": INSTANT, "created_timestamp": INSTANT}
    rows = [
        {"key": f"{n:03}", "event_timestamp": EVENT, "created_timestamp": EVENT, **f} for n, f in enumerate(features)
    ]
    return pl.DataFrame(rows, schema={"key": pl.String, **stamps, **FEATURES})


def requests_of(inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"team": f"{number:03}", **row} for number, row in enumerate(inputs)]


def by_training(
    history: pl.DataFrame, inputs: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]
) -> NDArray[np.float64]:
    rows = [
        {"example_id": row["team"], "cutoff": cutoff, "label": "x", "label_timestamp": cutoff, **row}
        for row, cutoff in zip(requests_of(inputs), cutoffs, strict=True)
    ]
    schema = {"example_id": pl.String, "cutoff": INSTANT, "label": pl.String, "label_timestamp": INSTANT}
    examples = pl.DataFrame(rows, schema={**schema, "team": pl.String, **INPUTS})
    with TemporaryDirectory() as folder:
        stored = stored_history(VIEW, history, Path(folder))
        trained = build_training_set(examples, [JOIN], {"form": stored}, list(INPUTS), TRANSFORMS)
    # The model may have been trained on fewer levels than these rows have.
    assert [column.name for column in trained.columns] == [column.name for column in COLUMNS]
    return type(trained)(trained.frame, COLUMNS, "").vectors()


def a_reader(history: pl.DataFrame) -> FeatureReader:
    view = ServedView.of("p", JOIN)
    store = Memory(dict(packed_rows(VIEW, history, view_layout(VIEW), view.keys)))
    store.values[view.keys.metadata] = ViewMetadata(view.layout.id, micros(CUTOFF), micros(CUTOFF)).pack()
    return FeatureReader((view,), COLUMNS, store, TRANSFORMS)  # type: ignore[arg-type]  # it is only read


def by_bulk(values: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]) -> NDArray[np.float64]:
    """All columns as raw inputs, as a project without views has them. A row without a cutoff is predicted now."""
    kinds = {pl.Float64: "number", pl.Int64: "integer", pl.Boolean: "boolean", pl.String: "string"}
    types = {**{f"own_{name}": dtype for name, dtype in FEATURES.items()}, **INPUTS}
    fields = []
    for name, dtype in types.items():
        kind = {"type": "string", "format": "date-time"} if dtype == INSTANT else {"type": kinds[dtype]}
        fields.append(InputField(name, {"anyOf": [kind, {"type": "null"}]}, is_required=False))
    model = Identity()
    release = a_release(columns=COLUMNS, inputs=tuple(fields), transforms=TRANSFORMS, model=model)
    given = pl.Series("cutoff", [None if cutoff == cutoffs[0] else cutoff for cutoff in cutoffs], dtype=INSTANT)
    score_frame(release, None, pl.DataFrame(list(values), schema=types).with_columns(given), now=cutoffs[0])
    assert model.vectors is not None
    return model.vectors


def by_recomputation(
    reader: FeatureReader, history: pl.DataFrame, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]
) -> Any:
    """From rows as the log has them: instants are text, the key lies apart."""
    logged = []
    for row, cutoff in zip(rows, cutoffs, strict=True):
        vector, statuses = reader.read_one(row, cutoff)
        views = {
            f"{status.view}:{status.prefix}": {"status": status.status, "watermark": status.watermark.isoformat()}
            for status in statuses
            if status.watermark is not None
        }
        inputs = json.loads(json.dumps({name: row[name] for name in INPUTS}, default=datetime.isoformat))
        line = {"prediction_id": "x", "entity_keys": {"team": row["team"]}, "inputs": inputs, "cutoff": cutoff}
        logged.append(LoggedVector.of({**line, "views": views, "vector": vector.tobytes()}))
    histories = {"form": history.lazy()}
    return recompute(logged, views=reader.views, columns=COLUMNS, histories=histories, transforms=TRANSFORMS)


def same(one: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    """Bit for bit; a NaN is a NaN, whatever bits it has."""
    assert one.shape == other.shape
    differs = (one.view(np.uint64) != other.view(np.uint64)) & ~(np.isnan(one) & np.isnan(other))
    assert not differs.any(), [(COLUMNS[at].name, one[row, at], other[row, at]) for row, at in np.argwhere(differs)]


@settings(max_examples=150, deadline=None)
@given(rows_of_both)
def test_five_entrances_give_one_vector(rows: list[tuple[dict[str, Any], dict[str, Any], datetime]]) -> None:
    features, inputs, cutoffs = zip(*rows, strict=True)
    history, requests = the_history(features), requests_of(inputs)
    values = [
        {**{f"own_{name}": value for name, value in own.items()}, **{name: row[name] for name in INPUTS}}
        for own, row in zip(features, requests, strict=True)
    ]
    trained = by_training(history, inputs, cutoffs)
    reader = a_reader(history)
    same(reader.read(requests, cutoffs).vectors, trained)
    same(np.stack([reader.read_one(row, at)[0] for row, at in zip(requests, cutoffs, strict=True)]), trained)
    plan = RowPlan(COLUMNS, TRANSFORMS)
    same(plan.vectors(values, cutoffs), trained)
    same(np.stack([np.frombuffer(plan.vector(row, at)) for row, at in zip(values, cutoffs, strict=True)]), trained)
    same(by_recomputation(reader, history, requests, cutoffs), trained)
    is_bulk = [own["ratio"] is None or bool(np.isfinite(own["ratio"])) for own in features]  # a contract refuses others
    is_bulk = [fine and abs(own["count"] or 0) <= 2**53 for fine, own in zip(is_bulk, features, strict=True)]
    if any(is_bulk):
        scored = [(row, at) for row, at, fine in zip(values, cutoffs, is_bulk, strict=True) if fine]
        same(by_bulk(*zip(*scored, strict=True)), trained[is_bulk])


@settings(max_examples=50, deadline=None)
@given(rows_of_both)
def test_a_row_alone_has_the_vector_it_has_among_others(
    rows: list[tuple[dict[str, Any], dict[str, Any], datetime]],
) -> None:
    """Without transforms there are shorter ways, which give the same."""
    columns = tuple(column for column in COLUMNS if column.origin != "on_demand")
    features, inputs, cutoffs = zip(*rows, strict=True)
    requests, reader = requests_of(inputs), a_reader(the_history(features))
    plain = FeatureReader(reader.views, columns, reader.store)
    together = plain.read(requests, cutoffs).vectors
    same(np.stack([plain.read_one(row, at)[0] for row, at in zip(requests, cutoffs, strict=True)]), together)
    plan = RowPlan(columns)
    own = [{f"own_{name}": value for name, value in row.items()} for row in features]
    values = [{**view, **row} for view, row in zip(own, inputs, strict=True)]
    same(plan.vectors(values, cutoffs), together)
    same(np.stack([np.frombuffer(plan.vector(row, at)) for row, at in zip(values, cutoffs, strict=True)]), together)


def test_values_stand_for_these_numbers() -> None:
    number, category = ColumnSpec("n", "number"), ColumnSpec("c", "category", ("a", "b"))
    instant = datetime(1970, 1, 2, 0, 0, 1, 500_000, tzinfo=UTC)
    assert [number.code(value) for value in (2, True, instant, instant.date())] == [2.0, 1.0, 86401.5, 86400.0]
    assert [category.code(value) for value in ("a", "b", "unseen")] == [0.0, 1.0, -1.0]
    assert np.isnan([number.code(None), number.code(float("nan")), category.code(None)]).all()
