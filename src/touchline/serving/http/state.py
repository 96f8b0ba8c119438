"""The state of one serving process, passed to its routes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from touchline.clock import Clock
from touchline.http.correlation import TraceContext
from touchline.http.key_ring import KeyRing
from touchline.predictions.drain_processes import DrainChild, Drains
from touchline.predictions.shared_spool import SharedSpool
from touchline.predictions.spool_drain import DrainLimits
from touchline.predictions.writer import LogLimits, PredictionLog
from touchline.registry import LoadedRelease
from touchline.serving.http.request_bodies import BodyReader
from touchline.serving.releases.release_slot import OpenReader, ReleaseSlot, ReleaseSource
from touchline.serving.telemetry.metrics import Gauge, Meter
from touchline.serving.telemetry.worker_metrics import WorkerFigures
from touchline.storage.ulids import Ulids

if TYPE_CHECKING:
    from fastapi import FastAPI, Response

    from touchline.features import SkewProof
    from touchline.storage import Database


def no_reader(release: LoadedRelease) -> None:
    """For projects whose features all come with the request."""


@dataclass(frozen=True)
class ServedProject:
    """One project to serve: where its releases come from, its clock, its online features and its own routes.

    Each of the routers returns a FastAPI router; it may take one argument, the project's `RouteContext`.
    They are loaded with the other late routes, since loading them imports the project's code.
    `skew_proof` gives the last proof that what a release (by id) was served with is what history says. `start_check`
    starts a check of the running rollout in another process, and does not wait for it. `shadow_drains` names the
    process that predicts beside the answers what waits in a folder; without it a thread of this process does.
    """

    name: str
    releases: ReleaseSource
    clock: Clock
    open_reader: OpenReader = no_reader
    load_routers: Callable[[], Sequence[Callable[..., Any]]] = tuple
    is_store_remote: bool = False
    skew_proof: Callable[[str], SkewProof | None] = lambda _: None
    description: str = ""
    start_check: Callable[[], None] = lambda: None
    shadow_drains: Callable[[Path, DrainLimits], Drains] | None = None


@dataclass(frozen=True)
class Limits:
    """The limits of one request and of concurrent work. `requests_per_second` is per key and worker.

    `origins` are those of browsers that may send requests while no key is needed.
    """

    body_bytes: int = 2 * 1024 * 1024
    rows: int = 1000
    job_bytes: int = 64 * 1024 * 1024
    job_rows: int = 1_000_000
    body_seconds: float = 10.0
    job_seconds: float = 120.0
    in_flight: int = 512
    lag_seconds: float = 1.0
    slow_seconds: float = 1.0
    requests_per_second: float | None = None
    origins: tuple[str, ...] = ()
    poll_seconds: float = 0.5


class Tracer(Protocol):
    """The exporter of spans; the extra `otel` brings one for OpenTelemetry."""

    def span(
        self, name: str, parent: TraceContext | None, start_ns: int, end_ns: int, attributes: Mapping[str, Any]
    ) -> None: ...


@dataclass(frozen=True)
class ServerOptions:
    """The options of a server; the defaults suit most.

    `extend` adds routes to the FastAPI application. `figures` is the folder by which workers share what they count.
    `drains` says who moves logged rows to the database where no other process of the machine does. `shadow_bytes` is
    the most that may wait on disk for a version which predicts beside the answers of one project.
    """

    limits: Limits = field(default_factory=Limits)
    log_limits: LogLimits = field(default_factory=LogLimits)
    tracer: Tracer | None = None
    extend: Callable[[FastAPI], None] | None = None
    figures: Path | None = None
    drains: Callable[[Path, Database, DrainLimits], Drains] = DrainChild
    shadow_bytes: int = 256 * 1024**2


@dataclass
class Serving:
    """The state of a serving process. Requests read it; the watcher and the log's threads change it."""

    slots: dict[str, ReleaseSlot]
    default: str
    log: PredictionLog
    database: Database
    limits: Limits
    keys: KeyRing
    meter: Meter = field(default_factory=lambda: Meter(""))
    ids: Ulids = field(default_factory=Ulids)
    figures: WorkerFigures = field(default_factory=lambda: WorkerFigures(None))
    stored_gauges: Callable[[], Sequence[Gauge]] = tuple
    start_page: Callable[[], Response | None] = lambda: None
    tracer: Tracer | None = None
    in_flight: int = 0
    lag_seconds: float = 0.0
    is_draining: bool = False
    look_requested: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.bodies = BodyReader()

    def most_body_bytes(self, path: str) -> int:
        """The largest allowed body in bytes; it is larger for a job, which runs in the background."""
        return self.limits.job_bytes if path.endswith("/predict/jobs") else self.limits.body_bytes

    @property
    def shadows(self) -> list[SharedSpool]:
        """The rows that wait for a shadow, of each project."""
        return [slot.shadow for slot in self.slots.values() if slot.shadow is not None]

    @property
    def meters(self) -> list[Meter]:
        """The metrics of this process: of its own routes, then by project."""
        return [self.meter, *(slot.meter for slot in self.slots.values())]

    @property
    def is_ready(self) -> bool:
        """Whether every project has a release and features to predict from, and predictions can be logged."""
        can_answer = all(slot.current and not slot.lacks_features for slot in self.slots.values())
        return not self.is_draining and self.log.has_room and can_answer
