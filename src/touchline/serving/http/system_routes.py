"""The routes of the process: health, probes, metrics, information about the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from touchline.predictions.writer import LogStatus
from touchline.serving.http.probes import PROBES, SUMMARIES, Probe
from touchline.serving.http.state import Serving
from touchline.serving.releases.feature_state import FeatureState
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.serving.telemetry.exposition import exposition
from touchline.serving.telemetry.metrics import Gauge

if TYPE_CHECKING:
    from touchline.features import SkewProof


def system_router(serving: Serving) -> APIRouter:
    """The routes of the process: health, metrics, API information."""
    router = APIRouter(tags=["system"])

    @router.get("/", include_in_schema=False)
    async def get_root(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return serving.start_page() or HTMLResponse(_PAGE)
        return JSONResponse(api_information(serving))

    @router.get("/health", summary="State of the server and its models")
    async def get_health() -> dict[str, Any]:
        serving.look_requested.set()  # who asks after a change need not wait for the next look
        return health(serving)

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    def get_metrics() -> Response:  # in a thread: it reads files, and the database where `/api` is served
        serving.figures.publish(serving.meters, serving.log.status)
        gauges = [*_gauges(serving), *serving.stored_gauges()]
        return Response(
            exposition(serving.figures.meters(serving.meters), gauges),
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    for path, probe in PROBES.items():  # answered by the fast path
        router.get(path, summary=SUMMARIES[path])(_endpoint(serving, probe))
    return router


def _endpoint(serving: Serving, probe: Probe) -> Callable[[], JSONResponse]:
    def get_probe() -> JSONResponse:
        status, document = probe(serving)
        return JSONResponse(document, status)

    return get_probe


def api_information(serving: Serving) -> dict[str, Any]:
    """The server's name, version and routes."""
    return {
        "name": "touchline",
        "default_project": serving.default,
        "projects": {
            name: {"predict": f"/projects/{name}/predict", "release": slot.current.release.id if slot.current else None}
            for name, slot in serving.slots.items()
        },
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health",
        "metrics": "/metrics",
    }


def health(serving: Serving) -> dict[str, Any]:
    """The state of every model and of the log; `degraded` when something needs a person, though answers go on."""
    log = serving.log.status()
    models = {name: _model_health(slot) for name, slot in serving.slots.items()}
    states = {str(model["status"]) for model in models.values()}
    status = "degraded" if log.is_behind or "degraded" in states else "ok"
    status = "unavailable" if "unavailable" in states else status
    return {
        "status": status,
        "models": models,
        "prediction_log": _log_health(log),
    }


def _log_health(log: LogStatus) -> dict[str, Any]:
    return {
        "rows_in_memory": log.rows_in_memory,
        "spool_bytes": log.spool_bytes,
        "waiting_seconds": round(log.waiting_seconds, 1),
        "written": log.written,
        "refused": log.refused,
        "failure": log.failure,
    }


def _model_health(slot: ReleaseSlot) -> dict[str, Any]:
    current = slot.current
    found: dict[str, Any] = {
        "status": "ok" if current else "unavailable",
        "release": current.release.id if current else None,
        "version": current.release.version if current else None,
        "previous": slot.previous.release.id if slot.previous else None,
        "journal_sequence": slot.head.sequence if slot.head else None,
    }
    if slot.refused is not None:
        found["refused"] = {"release": slot.refused.release_id, "reason": slot.refused.reason, "at": slot.refused.at}
    if slot.unreachable is not None:
        found["journal"] = slot.unreachable
    lost = slot.head.lost_changes if slot.head else 0
    if lost:
        found["journal"] = f"the database has lost its newest {lost} stage changes; see touchline doctor"
    if slot.traffic is not None:
        routing = slot.traffic.routing
        found["rollout"] = {"mode": routing.mode, "candidate": routing.candidate, "share": routing.share}
        if slot.traffic.left_out:
            found["rollout"]["left_out"] = slot.traffic.left_out
    shadow = None if slot.shadow is None else slot.shadow.status()
    if shadow is not None and (shadow.spool_bytes or shadow.written or shadow.refused or shadow.failure):
        found["shadow"] = _log_health(shadow)
    if (unfit := slot.refused_candidate) is not None:
        found["rollout"] = {"candidate": unfit.release_id, "refused": unfit.reason, "at": unfit.at}
    found["features"] = {state.view: _feature_health(state) for state in slot.features}
    is_worn = any(state.status != "ok" for state in slot.features)
    is_refused = slot.refused is not None or slot.refused_candidate is not None
    is_behind = shadow is not None and shadow.is_behind
    if current is not None and (is_refused or slot.unreachable or lost or is_worn or is_behind):
        found["status"] = "degraded"
    return found


def _feature_health(state: FeatureState) -> dict[str, Any]:
    """A view in the online store: aging where it was last materialized more than half its time to live ago."""
    found = {name: value for name, value in vars(state).items() if name != "view" and value is not None}
    if state.status == "aging":
        found["next_step"] = "touchline ingest; its output names the view version that cannot be renewed"
    if state.status == "dropping":
        found["next_step"] = "set maxmemory-policy noeviction and enough maxmemory, then touchline doctor --repair"
    if state.status == "emptied":
        found["next_step"] = "touchline ingest, or another address of the online store: touchline doctor"
    return found


_LOG_GAUGES = {
    "rows_in_memory": ("pending_rows", "Rows only in memory"),
    "spool_bytes": ("spool_bytes", "Bytes waiting for the database"),
    "refused": ("refused_rows", "Rows set aside that the database cannot take"),
    "failing": ("failing", "Workers whose log waits on disk or in memory"),
}


def _gauges(serving: Serving) -> list[Gauge]:
    logs = serving.figures.logs(serving.log.status())
    found = [Gauge(f"prediction_log_{name}", text, logs[key]) for key, (name, text) in _LOG_GAUGES.items()]
    for name, slot in serving.slots.items():
        if slot.current is not None:
            release = slot.current.release
            labels = (("project", name), ("release", release.id))
            found.append(Gauge("release_version", "Model version that answers", release.version, labels))
            proof = slot.skew_proof(release.id)
            found += _skew_gauges(proof, labels) if proof is not None else []
    return found


def _skew_gauges(proof: SkewProof, labels: tuple[tuple[str, str], ...]) -> list[Gauge]:
    """The last result of `touchline features verify` for the release."""
    return [
        Gauge("feature_skew_checked", "Served vectors last computed again from history", proof.checked, labels),
        Gauge("feature_skew_rate", "Share of them that differed", proof.skew_rate, labels),
        Gauge("feature_skew_upper_bound", "Largest plausible share, at 95 %", proof.upper_bound, labels),
        Gauge("feature_skew_fallback_rows", "Rows answered by a fall-back, apart", proof.fallback_rows, labels),
    ]


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>touchline</title>
<h1>touchline</h1><p>Predictions are served here.</p>
<ul><li><a href="/docs">Documentation of the API</a></li><li><a href="/health">Health</a></li>
<li><a href="/metrics">Metrics</a></li></ul></html>"""
