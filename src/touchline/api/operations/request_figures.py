"""`/system/requests`: requests by route with their latency, and what waits: in flight, in memory, in the spool."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from touchline.api.state import ProjectOfRequest
from touchline.http.statuses import is_refusal, is_server_error
from touchline.serving.telemetry.metrics import Histogram, Meter

router = APIRouter(tags=["system"])


class RouteTraffic(BaseModel):
    """One route since the start of the server. Quantiles are read from the buckets of its histogram."""

    route: str
    requests: int
    refused: int = Field(description="statuses 400 to 499")
    failed: int = Field(description="statuses from 500")
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class RequestFigures(BaseModel):
    """The requests that all workers of this server have answered, and what waits in them now."""

    sentence: str
    routes: list[RouteTraffic] = Field(description="the busiest first")
    in_flight: int = Field(description="requests being answered by this worker")
    lag_seconds: float = Field(description="how long a request waits before this worker begins it")
    rows_in_memory: int = Field(description="predictions that are not in the spool yet")
    spool_bytes: int = Field(description="predictions on disk that are not in the database yet")
    waiting_seconds: float = Field(description="how long the oldest of them has waited")


@router.get("/system/requests", summary="Requests by route, their latency, and what waits")
def get_request_figures(project: ProjectOfRequest) -> RequestFigures:
    serving = project.api.serving
    status = serving.log.status()
    serving.figures.publish(serving.meters, lambda: status)
    meters = serving.figures.meters(serving.meters)
    routes = [_route(meter, route) for meter in meters if meter.project == project.name for (route,) in meter.durations]
    routes.sort(key=lambda one: -one.requests)
    return RequestFigures(
        sentence=_sentence(routes),
        routes=routes,
        in_flight=serving.in_flight,
        lag_seconds=serving.lag_seconds,
        rows_in_memory=status.rows_in_memory,
        spool_bytes=status.spool_bytes,
        waiting_seconds=status.waiting_seconds,
    )


def _route(meter: Meter, route: str) -> RouteTraffic:
    statuses = {status: count for (name, status), count in meter.requests.items() if name == route}
    seconds: Histogram = meter.durations[route,]
    failed = sum(count for status, count in statuses.items() if is_server_error(status))
    refused = sum(count for status, count in statuses.items() if is_refusal(status))
    return RouteTraffic(
        route=route,
        requests=sum(statuses.values()),
        refused=refused,
        failed=failed,
        p50_seconds=seconds.quantile(0.5),
        p95_seconds=seconds.quantile(0.95),
        p99_seconds=seconds.quantile(0.99),
    )


def _sentence(routes: list[RouteTraffic]) -> str:
    """The verdict on the requests since the start: how many failed, and how long they took."""
    predict = next((one for one in routes if one.route == "/predict" and one.p50_seconds is not None), None)
    total, failed = sum(one.requests for one in routes), sum(one.failed for one in routes)
    if not total:
        return "No request was answered since this server started."
    text = f"{total} {'request' if total == 1 else 'requests'} since this server started, {failed} failed"
    if predict is None or predict.p50_seconds is None or predict.p99_seconds is None:
        return f"{text}."
    half, most = 1000 * predict.p50_seconds, 1000 * predict.p99_seconds
    return f"{text}; half of /predict took at most {half:.1f} ms, 99 % at most {most:.1f} ms."
