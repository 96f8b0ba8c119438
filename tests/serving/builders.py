"""Small real releases and servers for the tests of this room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn

from tests.databases import a_database
from touchline.clock import FrozenClock
from touchline.features import ColumnSpec, FeatureRows, RowPlan, ServedView, ViewStatus
from touchline.features.vectors.columns import Vectors
from touchline.predictions import LogLimits
from touchline.predictions.database_writer import DatabaseWriter
from touchline.predictions.drain_processes import DrainThread
from touchline.predictions.spool_drain import DrainLimits
from touchline.registry import InputField, LoadedRelease, ReleaseManifest
from touchline.serving import Head, Limits, ServedProject, ServerOptions, create_app
from touchline.serving.http.predict_protocol import PredictProtocol
from touchline.serving.http.state import Serving, Tracer
from touchline.storage import Database

NOW = datetime(2009, 4, 15, tzinfo=UTC)
FAST_LOG = LogLimits(flush_seconds=0.005, hand_over_seconds=0.01, drain=DrainLimits(0.005, 0.05))


@dataclass(frozen=True)
class Logit:
    """Class 0 by a logistic of the sum of the columns, nulls counted as zero."""

    slope: float = 0.1

    def predict(self, vectors: Vectors) -> Vectors:
        with np.errstate(over="ignore"):
            share = 1 / (1 + np.exp(-self.slope * np.nansum(vectors, axis=1)))
        return np.stack([share, 1 - share], axis=1)


INPUTS = (
    InputField("age", {"type": "number", "minimum": 0, "maximum": 120}),
    InputField("colour", {"anyOf": [{"type": "string"}, {"type": "null"}]}, is_required=False),
)
MANIFEST = ReleaseManifest(
    project="shop",
    version=1,
    semantic_version="",
    run_id="",
    task="binary",
    classes=("yes", "no"),
    columns=(ColumnSpec("age", "number"), ColumnSpec("colour", "category", ("blue", "red"))),
    inputs=(),
    views=(),
    on_demand=(),
    threshold=0.5,
    family="logistic",
    calibrator="none",
    training_set_hash="",
    trained_at=NOW,
    metrics={},
    hashes={},
    libraries={},
    example={"age": 40, "colour": "red"},
)


def a_release(version: int = 1, *, slope: float = 0.1, **changes: Any) -> LoadedRelease:
    """A release of two raw inputs, one a category. `changes` are fields of the release or of its manifest."""
    inputs = changes.pop("inputs", INPUTS)
    parts = {name: changes.pop(name) for name in ("model", "transforms", "background") if name in changes}
    return LoadedRelease(
        manifest=replace(MANIFEST, version=version, inputs=tuple(field.name for field in inputs), **changes),
        digest=f"d{version}",
        contract={
            "properties": {field.name: field.schema for field in inputs},
            "required": [field.name for field in inputs if field.is_required],
        },
        **{"model": Logit(slope), **parts},
    )


def a_view(prefix: str) -> ServedView:
    return ServedView("shop", "form", "v1", prefix, (f"{prefix}_team",), ("team",), ("str",), (("elo", "float"),))


def a_match_release(version: int = 1, **changes: Any) -> LoadedRelease:
    """A release that looks features up by two entity keys."""
    fields: dict[str, Any] = {
        "columns": (
            ColumnSpec("home_elo", "number", origin="view:form"),
            ColumnSpec("away_elo", "number", origin="view:form"),
        ),
        "inputs": (),
        "views": (a_view("home"), a_view("away")),
        "example": {"home_team": "A", "away_team": "B"},
    }
    return a_release(version, **{**fields, **changes})


@dataclass
class Ratings:
    """An online store in memory: a rating per team, stamped."""

    elos: Mapping[str, float]
    failure: Exception | None = None

    def read(self, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]) -> FeatureRows:
        assert len(cutoffs) == len(rows)
        if self.failure is not None:
            raise self.failure
        columns = a_match_release().columns
        values = [{f"{side}_elo": self.elos.get(row[f"{side}_team"]) for side in ("home", "away")} for row in rows]
        return FeatureRows(RowPlan(columns).vectors(values, cutoffs), tuple(tuple(self._statuses(row)) for row in rows))

    def read_row(self, row: Mapping[str, Any], cutoff: datetime) -> tuple[bytes, tuple[ViewStatus, ...]]:
        found = self.read([row], [cutoff])
        return found.vectors[0].tobytes(), found.statuses[0]

    def _statuses(self, row: Mapping[str, Any]) -> list[ViewStatus]:
        return [
            ViewStatus("form", side, "v1", "present" if row[f"{side}_team"] in self.elos else "missing", NOW, NOW)
            for side in ("home", "away")
        ]


@dataclass
class Shelf:
    """A release source that a test moves by hand."""

    releases: dict[str, LoadedRelease] = field(default_factory=dict)
    production: str | None = None
    previous: str | None = None
    sequence: int = 0
    failure: Exception | None = None

    @classmethod
    def of(cls, *releases: LoadedRelease) -> Shelf:
        return cls({release.id: release for release in releases}, releases[0].id if releases else None)

    def promote(self, release_id: str) -> None:
        self.previous, self.production, self.sequence = self.production, release_id, self.sequence + 1

    def head(self) -> Head:
        if self.failure is not None:
            raise self.failure
        return Head(self.sequence, self.production, self.previous)

    def load(self, release_id: str) -> LoadedRelease:
        return self.releases[release_id]


@dataclass(frozen=True)
class Server:
    """A running app, its client and what is behind it."""

    client: httpx.Client
    serving: Serving
    database: Database


def drain_here(root: Path, database: Database, limits: DrainLimits) -> DrainThread:
    """A drain in this process: a child for each of many small servers would take seconds."""
    return DrainThread(root, DatabaseWriter(database), limits)


@contextmanager
def a_server(
    folder: Path,
    shelf: Shelf,
    *,
    reader: Ratings | None = None,
    limits: Limits | None = None,
    tracer: Tracer | None = None,
    routers: Sequence[Callable[..., Any]] = (),
    **address: Any,
) -> Iterator[Server]:
    database = a_database(folder)
    project = ServedProject("shop", shelf, FrozenClock(NOW), lambda _: reader, load_routers=lambda: routers)
    app = create_app(
        [project],
        database=database,
        spool=folder / "spool",
        options=ServerOptions(
            limits or Limits(poll_seconds=0.01, lag_seconds=60.0), FAST_LOG, tracer, drains=drain_here
        ),
        **address,
    )
    with on_loopback(app) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield Server(client, app.serving, database)
    database.close()


@contextmanager
def on_loopback(app: Any) -> Iterator[str]:
    """The app behind a real server on a spare port; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, http=PredictProtocol))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


def wait_for(condition: Callable[[], Any], *, seconds: float = 120.0) -> Any:
    """The condition's first true value; fails when it stays false."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s")
        time.sleep(0.005)
    return found
