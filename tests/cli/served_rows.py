"""Predictions of the shop's release in Production, as a server logs them."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import sqlalchemy as sa

from touchline.automation.production.release import open_production
from touchline.automation.production.release import test_rows as read_test_rows
from touchline.cli.opening import OpenedProject
from touchline.predictions import Outcome, OutcomeRecords
from touchline.registry import Releases, read_version
from touchline.storage.tables import outcomes, predictions
from touchline.storage.ulids import ulid_at

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def rows_of(opened: OpenedProject, *, yes: int, no: int) -> tuple[Array, Array]:
    """Vectors and labels of the test window, drawn so that the classes have these numbers."""
    production = open_production(opened.project, opened.stores)
    test = read_test_rows(opened.project, opened.stores, production)
    labels = test.labels[production.profile.sample_places]
    rng = np.random.default_rng(3)
    chosen = [rng.choice(np.flatnonzero(labels == code), count) for code, count in ((0, no), (1, yes))]
    places = rng.permutation(np.concatenate(chosen))
    return production.profile.sample[places, :1], labels[places]


def serve(opened: OpenedProject, vectors: Array, labels: Array, *, settled: int = 0) -> Array:
    """Log the answers of Production to these vectors on the days before now, the first ones with their outcome."""
    stores = opened.stores
    with stores.database.begin() as connection:
        connection.execute(sa.delete(predictions))
        connection.execute(sa.delete(outcomes))
    said = log(opened, vectors, version="Production")
    records, now = OutcomeRecords(stores.database, "shop"), stores.clock.now()
    for day in range(20):
        places = [at for at in range(settled) if at * 20 // len(labels) == day]
        known = [Outcome(("no", "yes")[int(labels[at])], f"live-{at}") for at in places]
        # Outcomes come within a day.
        records.record(known, source="api", now=now - timedelta(days=19 - day))
    return said


def log(
    opened: OpenedProject, vectors: Array, *, version: str, role: str = "answer", variant: str = "production"
) -> Array:
    """Log what a version predicts for these vectors, in one role."""
    stores = opened.stores
    release_id = read_version(stores, "shop", version).release_id or ""
    said = Releases(stores).open(release_id).model.predict(vectors)
    rows = []
    for at, (vector, scores) in enumerate(zip(vectors, said, strict=True)):
        cutoff = stores.clock.now() - timedelta(days=20 - at * 20 // len(vectors), minutes=-at)
        probabilities = dict(zip(("no", "yes"), scores.tolist(), strict=True))
        rows.append(
            {
                "prediction_id": ulid_at(cutoff),
                "request_id": "r",
                "project": "shop",
                "release_id": release_id,
                "role": role,
                "variant": variant,
                "probability": 1.0,
                "override": False,
                "example_id": f"live-{at}",
                "entity_keys": {"customer": f"c{at % 40}"},
                "cutoff": cutoff,
                "answered_at": cutoff,
                "views": {},
                "inputs": {},
                "vector": vector.astype("<f8").tobytes(),
                "output": {"probabilities": probabilities},
            }
        )
    with stores.database.begin() as connection:
        connection.execute(predictions.insert(), rows)
    return np.asarray(said)
