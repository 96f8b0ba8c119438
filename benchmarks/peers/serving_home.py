"""A home with the benchmark's model in Production: LightGBM, 30 features, 300 trees; by values and by entity key."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.serving.bundles import Registry, a_model, a_request
from touchline.features import ColumnSpec, ServedView, open_online_store
from touchline.features.marks import micros
from touchline.training import Model

COLUMNS, TREES, ROWS, ENTITIES = 30, 300, 20_000, 10_000
STAMP = datetime(2026, 1, 1, tzinfo=UTC)


def make_home(folder: Path, *, is_keyed: bool = False) -> str:
    """A migrated database with one release in Production; the model's text, for the peers."""
    folder.mkdir(parents=True)
    registry = Registry.open(folder)
    model = a_model("lightgbm", columns=COLUMNS, rows=ROWS, rounds=TREES)
    if is_keyed:
        columns = tuple(replace(column, origin="view:customer_stats") for column in model.columns)
        model = replace(model, columns=columns)
        _write_features(folder, columns)
    views = (a_view(model.columns),) if is_keyed else ()
    example = {"customer_id": "c1"} if is_keyed else a_request(COLUMNS)
    registry.promote(1, registry.keep(1, model, example=example, views=views))
    return text_of(model)


def a_view(columns: tuple[ColumnSpec, ...]) -> ServedView:
    """One view of 30 numbers by one key."""
    fields = tuple((column.name, "float") for column in columns)
    return ServedView("bench", "customer_stats", "v1", "", ("customer_id",), ("customer_id",), ("str",), fields)


def text_of(model: Model) -> str:
    """The model in LightGBM's own text."""
    text: str = model.estimator.text  # type: ignore[attr-defined]  # of the family lightgbm
    return text


def _write_features(folder: Path, columns: tuple[ColumnSpec, ...]) -> None:
    view, random = a_view(columns), np.random.default_rng(4)
    at, values = micros(STAMP), random.normal(size=(ENTITIES, len(columns)))
    store = open_online_store("sqlite", str(folder / "online.db"))
    rows = []
    for index, row in enumerate(values.tolist()):
        key = view.key({"customer_id": f"c{index}"})
        assert key is not None
        rows.append((key, view.layout.pack(at, at, row)))
    store.write(rows)
    store.close()


def write_lua(path: Path, body: str, content_type: str = "application/json") -> None:
    """A script by which wrk posts one body."""
    path.write_text(
        f'wrk.method = "POST"\nwrk.body = {json.dumps(body)}\nwrk.headers["Content-Type"] = "{content_type}"\n'
    )


def write_key_lua(path: Path) -> None:
    """A script by which wrk asks for another entity each time."""
    path.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nlocal n = 0\n'
        f"request = function() n = (n * 1103515245 + 12345) % {ENTITIES}\n"
        'return wrk.format(nil, nil, nil, string.format(\'{"customer_id": "c%d"}\', n)) end\n'
    )
