"""The routes of serving that are not on the hot path: outcomes, health, model information, metrics, the root."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from touchline.errors import WrongLabel
from touchline.predictions import Outcome, OutcomeRecords
from touchline.registry import LoadedRelease
from touchline.serving.http.outcome_bodies import (
    ExampleOutcome,
    OutcomesBody,
    PredictionOutcome,
    ReceiptBody,
    ReceiptsBody,
)
from touchline.serving.http.state import Serving
from touchline.serving.predicting.answer import predictor_of
from touchline.serving.predicting.explain import explain_body
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.serving.telemetry.exposition import exposition
from touchline.serving.telemetry.metrics import Gauge

if TYPE_CHECKING:
    from touchline.features import SkewProof


def project_router(serving: Serving, slot: ReleaseSlot, *, prefix: str, tag: str) -> APIRouter:
    """The routes of one project under a prefix."""
    router = APIRouter(prefix=prefix, tags=[tag])

    @router.post("/outcomes", summary="Tell what happened")
    def post_outcomes(body: OutcomesBody) -> ReceiptsBody:
        given = body if isinstance(body, list) else [body]
        return ReceiptsBody(outcomes=_record(serving, slot, given))

    @router.post("/explain", include_in_schema=False)
    async def post_explain(request: Request) -> Response:
        body = await request.body()
        told = await asyncio.to_thread(explain_body, serving, slot, body)
        return Response(orjson.dumps(told), media_type="application/json")

    @router.get("/model-info", summary="The release that answers")
    async def get_model_info() -> dict[str, Any]:
        predictor = predictor_of(slot)
        return {**model_info(predictor.release), "request": dict(predictor.models.properties)}

    return router


def system_router(serving: Serving) -> APIRouter:
    """The routes of the process: health, metrics, API information."""
    router = APIRouter(tags=["system"])

    @router.get("/", include_in_schema=False)
    async def get_root(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_PAGE)
        return JSONResponse(api_information(serving))

    @router.get("/health", summary="State of the server and its models")
    async def get_health() -> dict[str, Any]:
        return health(serving)

    @router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def get_metrics() -> Response:
        return Response(
            exposition(serving.figures.meters(serving.meters), _gauges(serving)),
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    return router


def _record(
    serving: Serving, slot: ReleaseSlot, given: Sequence[PredictionOutcome | ExampleOutcome]
) -> list[ReceiptBody]:
    received = [
        Outcome(one.label, prediction_id=one.prediction_id, label_timestamp=one.label_timestamp)
        if isinstance(one, PredictionOutcome)
        else Outcome(one.label, example_id=one.example_id, label_timestamp=one.label_timestamp)
        for one in given
    ]
    if slot.current is not None:
        validate_labels(slot.current.release, received)
    receipts = OutcomeRecords(serving.database, slot.project).record(received, source="http", now=slot.now())
    for receipt in receipts:
        slot.meter.outcomes[receipt.status] += 1
    return [ReceiptBody(**vars(receipt)) for receipt in receipts]


def validate_labels(release: LoadedRelease, received: Sequence[Outcome]) -> None:
    """Raise `WrongLabel` for a label that the release's task cannot have."""
    for outcome in received:
        label = outcome.label
        if release.kind == "regression":
            if isinstance(label, str) or label != label or label in (float("inf"), float("-inf")):
                raise WrongLabel(release.project, label, "a finite number")
        elif str(label) not in release.classes:
            raise WrongLabel(release.project, label, ", ".join(release.classes))


def model_info(release: LoadedRelease) -> dict[str, Any]:
    """What there is to know of a release, for people and tools."""
    return {
        "project": release.project,
        "release": release.id,
        "version": release.version,
        "semantic_version": release.manifest.semantic_version,
        "stage": "Production",
        "task": release.kind,
        "classes": list(release.classes),
        "threshold": release.manifest.threshold,
        "digest": release.digest,
        "hashes": dict(release.manifest.hashes),
        "metrics": dict(release.manifest.metrics),
        "trained_at": release.manifest.trained_at,
        "features": [column.to_json() for column in release.columns],
        "views": [
            {
                "view": view.view,
                "prefix": view.prefix,
                "feature_version": view.feature_version,
                "keys": view.request_columns,
            }
            for view in release.views
        ],
        "libraries": dict(release.manifest.libraries),
    }


def api_information(serving: Serving) -> dict[str, Any]:
    """What this server is and where to ask."""
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
        "prediction_log": {
            "rows_in_memory": log.rows_in_memory,
            "spool_bytes": log.spool_bytes,
            "written": log.written,
            "refused": log.refused,
            "failure": log.failure,
        },
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
    if current is not None and (slot.refused or slot.unreachable):
        found["status"] = "degraded"
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
    """What `touchline features verify` last said of the release."""
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
