"""A home with the benchmark's model in Production: LightGBM, 30 features, 300 trees; by values and by entity key."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.serving.bundles import Registry, a_model, a_request, a_stats_view, looked_up, write_stats
from touchline.features import open_online_store
from touchline.training import Model

COLUMNS, TREES, ROWS, ENTITIES = 30, 300, 20_000, 10_000


def make_home(folder: Path, *, is_keyed: bool = False) -> str:
    """A migrated database with one release in Production; the model's text, for the peers."""
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
    return text_of(model)


def text_of(model: Model) -> str:
    """The model in LightGBM's own text."""
    text: str = model.estimator.text  # type: ignore[attr-defined]  # of the family lightgbm
    return text


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
