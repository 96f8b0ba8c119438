"""The server of a process: predictions answer as soon as their releases are loaded, all other routes a moment later.

Importing FastAPI and making its routes takes as long as everything that a prediction needs, so it is done in a thread
while predictions are answered already. A request for one of those routes waits until they are there.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from touchline.http.api_keys import is_loopback, require_key
from touchline.http.key_ring import KeyRing
from touchline.predictions.database_writer import DatabaseWriter
from touchline.predictions.drain_processes import Drains, DrainThread
from touchline.predictions.shared_spool import SharedSpool
from touchline.predictions.writer import PredictionLog
from touchline.rollout.routing import RoutingMode
from touchline.serving.http.admission import Admission
from touchline.serving.http.deferred_app import LateRoutes
from touchline.serving.http.fast_path import Front
from touchline.serving.http.jobs import Jobs
from touchline.serving.http.state import ServedProject, ServerOptions, Serving
from touchline.serving.releases.loading_marks import LoadingMarks
from touchline.serving.releases.looks import Looks
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.serving.releases.rollout_watch import RolloutWatch
from touchline.serving.shadow.shadow_writer import ShadowWriter
from touchline.serving.telemetry.worker_metrics import WorkerFigures
from touchline.storage import Database

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

_log = logging.getLogger("touchline.serving")
_TICK_SECONDS = 0.05
_IDLE_TICK_SECONDS = 0.5
# The log's thread has little to do; a request must not wait for its turn to end.
_SWITCH_SECONDS = 0.001


class Server:
    """The ASGI application of a serving process."""

    def __init__(
        self,
        serving: Serving,
        jobs: Jobs,
        watches: Sequence[RolloutWatch],
        make_routes: Callable[[], FastAPI],
    ) -> None:
        self.serving = serving
        self._watches = watches
        self._jobs = jobs
        self._routes = LateRoutes(make_routes)
        self.front = Front(self._routes, serving, Admission(serving, serving.keys))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self.front(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: what has to run from the start to the end of the process."""
        await receive()
        running = self._running()
        try:
            await running.__aenter__()
        except Exception as wrong:
            await send({"type": "lifespan.startup.failed", "message": str(wrong)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await running.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        serving, keys = self.serving, self.serving.keys
        sys.setswitchinterval(_SWITCH_SECONDS)
        serving.log.start(*serving.shadows)
        self._jobs.start()
        await asyncio.to_thread(keys.refresh)
        if keys.is_open:
            _log.warning("no API key is made yet: requests from this machine are open")
        for slot in serving.slots.values():
            await asyncio.to_thread(slot.refresh)
        tasks = [asyncio.create_task(act) for act in (_watch(serving, self._watches), _measure_lag(serving))]
        routes = asyncio.create_task(self._routes.live())
        tasks.append(asyncio.create_task(self._spare_collections()))
        try:
            yield
        finally:
            serving.is_draining = True
            for task in tasks:
                task.cancel()
            self._routes.end()
            await asyncio.gather(*tasks, routes, return_exceptions=True)
            await asyncio.to_thread(self._jobs.stop)
            await asyncio.to_thread(serving.log.stop)
            for shadow in serving.shadows:  # once their last rows are on disk
                await asyncio.to_thread(shadow.stop)
            gc.unfreeze()
            # What this worker has counted since it last published stays in the figures of the others.
            await asyncio.to_thread(serving.figures.publish, serving.meters, serving.log.status)

    async def _spare_collections(self) -> None:
        """Leave what is loaded at the start out of Python's garbage collections.

        A full one looks at 100,000 objects, and requests wait 0.15 s for it where the cores are busy.
        """
        await self._routes.wait()
        gc.freeze()


def create_app(
    projects: Sequence[ServedProject],
    *,
    database: Database,
    spool: Path,
    default: str | None = None,
    host: str = "127.0.0.1",
    options: ServerOptions | None = None,
) -> Server:
    """The server of these projects. `spool` is the folder where logged predictions wait for the database.

    `default` is the project that the unscoped routes mean; the first one if not said. `host` is the address it will
    listen on: any but loopback needs an API key, else `KeyRequired`. `options.extend` adds routes of its own.
    """
    require_key(database, host)
    options = options or ServerOptions()
    slots = {project.name: _slot(project) for project in projects}
    log = PredictionLog(spool, options.drains(spool, database, options.log_limits.drain), options.log_limits)
    for project in projects:
        slot = slots[project.name]
        slot.record = log.record
        slot.marks = LoadingMarks(spool.parent / "loading")
        slot.shadow = _shadow_spool(project, slot, spool.parent / "shadow" / project.name, database, options)
    figures = WorkerFigures(options.figures)
    keys = KeyRing(database, is_open=is_loopback(host))
    default = default or projects[0].name
    serving = Serving(slots, default, log, database, options.limits, keys, figures=figures, tracer=options.tracer)
    jobs = Jobs(spool.parent / "jobs", serving)

    def make_routes() -> FastAPI:
        from touchline.serving.http.app import routes_app

        app = routes_app(serving, jobs, projects)
        if options.extend is not None:
            options.extend(app)
        return app

    watches = [_rollout_watch(project, serving) for project in projects]
    return Server(serving, jobs, watches, make_routes)


def _rollout_watch(project: ServedProject, serving: Serving) -> RolloutWatch:
    """The watch of a project's rollout. In a shadow the process that predicts looks at the guardrails."""
    modes: tuple[RoutingMode, ...] = (
        ("ab", "canary") if project.shadow_drains is not None else ("ab", "canary", "shadow")
    )
    return RolloutWatch(
        serving.database,
        serving.slots[project.name],
        project.start_check,
        guarded_modes=modes,
        waiting_seconds=lambda: serving.log.status().waiting_seconds,
    )


def _shadow_spool(
    project: ServedProject, slot: ReleaseSlot, folder: Path, database: Database, options: ServerOptions
) -> SharedSpool:
    """Where rows wait for the version that does not answer them."""
    limits = replace(options.log_limits, max_spool_bytes=options.shadow_bytes)
    if project.shadow_drains is not None:
        drains: Drains = project.shadow_drains(folder, limits.drain)
    else:
        writer = ShadowWriter(project.name, slot.open_predictor, DatabaseWriter(database))
        drains = DrainThread(folder, writer, limits.drain)
    return SharedSpool(folder, drains, limits, name=f"rows that wait for a shadow of {project.name}")


def _slot(project: ServedProject) -> ReleaseSlot:
    slot = ReleaseSlot(
        project.name, project.releases, project.clock, project.open_reader, is_store_remote=project.is_store_remote
    )
    slot.skew_proof = project.skew_proof
    return slot


async def _measure_lag(serving: Serving) -> None:
    """Measure how late the loop runs, which is how long a request waits, and end the reading of late bodies.

    An idle process is woken seldom: nothing waits in it.
    """
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        pause = _TICK_SECONDS if serving.in_flight else _IDLE_TICK_SECONDS
        await asyncio.sleep(pause)
        serving.lag_seconds = loop.time() - started - pause
        serving.bodies.give_up_late()


async def _watch(serving: Serving, watches: Sequence[RolloutWatch]) -> None:
    """Follow the journal of every project and the keys, away from the requests: every half second, and when wanted."""
    acts: list[tuple[str, Callable[[], object]]] = [("the API keys", serving.keys.refresh)]
    for slot in serving.slots.values():
        acts.append((f"{slot.project}: the journal", slot.refresh))
        acts.append((f"{slot.project}: the release of before", slot.warm_previous))
        acts.append((f"{slot.project}: the online features", slot.check_features))
    acts += [(f"{watch.project}: the rollout", watch.look) for watch in watches]
    acts.append(("the figures of this worker", lambda: serving.figures.publish(serving.meters, serving.log.status)))
    acts.append(("the use of API keys", serving.keys.record_uses))
    looks = Looks(acts)
    pause = min(_TICK_SECONDS, serving.limits.poll_seconds)
    while True:
        await asyncio.to_thread(looks.take)
        await asyncio.sleep(pause)
        with suppress(TimeoutError):
            await asyncio.wait_for(serving.look_requested.wait(), serving.limits.poll_seconds - pause)
        serving.look_requested.clear()
