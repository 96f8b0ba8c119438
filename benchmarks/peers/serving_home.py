"""A home with the benchmark's model in Production: LightGBM, 30 features, 300 trees; by values and by entity key."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.serving.bundles import Registry, a_model, a_request, a_stats_view, looked_up, write_stats
from touchline.features import open_online_store
from touchline.training import Model

COLUMNS, TREES, ROWS, ENTITIES = 30, 300, 20_000, 10_000


def make_home(folder: Path, *, is_keyed: bool = False, has_shadow: bool = False) -> str:
    """A migrated database with one release in Production; the model's text, for the peers.

    With a shadow a second release, of a model of the same size, predicts beside it.
    """
    folder.mkdir(parents=True)
    registry = Registry.open(folder)
    model = a_model("lightgbm", columns=COLUMNS, rows=ROWS, rounds=TREES)
    if is_keyed:
        model = looked_up(model)
        store = open_online_store("sqlite", str(folder / "online.db"))
        write_stats(store, model.columns, customers=ENTITIES)
        store.close()
    views = (a_stats_view(model.columns),) if is_keyed else ()
    example = {"customer_id": "c1"} if is_keyed else a_request(COLUMNS)
    registry.promote(1, registry.keep(1, model, example=example, views=views))
    if has_shadow:
        other = a_model("lightgbm", columns=COLUMNS, rows=ROWS, rounds=TREES, seed=2)
        registry.keep(2, looked_up(other) if is_keyed else other, example=example, views=views)
        registry.start_rollout("shadow")
    return text_of(model)


def text_of(model: Model) -> str:
    """The model in LightGBM's own text."""
    text: str = model.estimator.text  # type: ignore[attr-defined]  # of the family lightgbm
    return text


def write_lua(path: Path, bodies: Sequence[str], *, pause_ms: int = 0) -> None:
    """A script by which wrk posts one body after another, so that no server answers one row from its caches.

    Each connection pauses between its requests, for twice `pause_ms` at most.
    """
    pause = f"delay = function() return math.random(0, {2 * pause_ms}) end\n" if pause_ms else ""
    listed = ",\n".join(json.dumps(body) for body in bodies)
    path.write_text(
        f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nlocal bodies = {{\n{listed}\n}}\n'
        "local requests, at = {}, 0\n"
        "init = function() for i, body in ipairs(bodies) do requests[i] = wrk.format(nil, nil, nil, body) end end\n"
        "request = function() at = at % #requests + 1; return requests[at] end\n" + pause
    )
