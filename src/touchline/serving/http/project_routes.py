"""The routes of one project: predictions, explanations, jobs, outcomes, the release in Production.

They are made once to be served, and again for the OpenAPI document whenever another release takes over, with the
fields of that release. The fast path answers `/predict` before it gets here, with the same code.
"""

import asyncio
import inspect
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from pydantic import Field

from touchline.http.problems import FieldProblem, InvalidRequest
from touchline.http.query import validate_query
from touchline.http.statuses import ACCEPTED
from touchline.predictions import Outcome, OutcomeRecords, Receipt
from touchline.registry import LoadedRelease
from touchline.serving.http.explain import explain_body
from touchline.serving.http.jobs import Job, Jobs, rows_of
from touchline.serving.http.openapi import FAILURES
from touchline.serving.http.outcome_bodies import ExampleOutcome, PredictionOutcome, Receipts
from touchline.serving.http.respond import answer_body, predictor_of
from touchline.serving.http.response_bodies import Explanation, Explanations, ReleaseBodies
from touchline.serving.http.state import Serving
from touchline.serving.releases.release_slot import ReleaseSlot

_NDJSON = "application/x-ndjson"
_LINES = (_NDJSON, "application/jsonl")
_PREDICT = "A row gives a prediction, a list of rows a list of predictions."
_EXPLAIN = "The contribution of each column, largest first: base + all of `adds` is the model's score (or output)."
_JOB = (
    "Up to {rows} rows, each as `/predict` takes it. A row that does not fit is refused in the result, and the others "
    "go on. Send a large batch as `application/x-ndjson`, one row a line."
)
_RESULT = (
    "One JSON document a line, in the order of the rows: a prediction as `/predict` gives it, or a problem document "
    "under `problem` for a refused row. 409 while the job waits or runs, and for a job that failed."
)
_RESULT_CONTENT = {"description": "The predictions", "content": {_NDJSON: {"schema": {"type": "string"}}}}

Endpoint = Callable[..., Coroutine[Any, Any, Any]]


class RawBodyRoute(APIRoute):
    """A route whose body FastAPI documents and does not read: the endpoint gets the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def answer(request: Request) -> Response:
            validate_query(request)
            response: Response = await self.endpoint(request)
            return response

        return answer


def project_router(serving: Serving, slot: ReleaseSlot, jobs: Jobs, *, prefix: str, bodies: ReleaseBodies) -> APIRouter:
    """The routes of one project under a prefix; `bodies` are the types that the document shows."""
    router = APIRouter(prefix=prefix, tags=[slot.project], responses=FAILURES)
    _add_predictions(router, serving, slot, bodies)
    _add_jobs(router, serving, slot, jobs)

    def post_outcomes(body: Any) -> Receipts:
        return Receipts(outcomes=_record(serving, slot, body))

    router.post("/outcomes", summary="Record outcomes", response_model=Receipts)(
        _documented(post_outcomes, bodies.outcomes)
    )

    @router.get("/model-info", summary="The release in Production")
    async def get_model_info() -> dict[str, Any]:
        predictor = predictor_of(slot)
        return {**model_info(predictor.release), "request": dict(predictor.requests.models.properties)}

    return router


def _add_predictions(router: APIRouter, serving: Serving, slot: ReleaseSlot, bodies: ReleaseBodies) -> None:
    async def post_predict(request: Request) -> Response:
        body = await request.body()
        correlation_id = getattr(request.state, "correlation_id", None)
        return _json(await answer_body(serving, slot, body, correlation_id))

    async def post_explain(request: Request) -> Response:
        body = await request.body()
        return _json(orjson.dumps(await asyncio.to_thread(explain_body, serving, slot, body)))

    _post(
        router,
        "/predict",
        _documented(post_predict, bodies.request),
        response_model=bodies.response,
        summary="Predict one row or many",
        description=f"{_PREDICT} {bodies.note}".strip(),
    )
    _post(
        router,
        "/explain",
        _documented(post_explain, bodies.explained),
        response_model=Explanation | Explanations,
        summary="Explain rows or a logged prediction",
        description=_EXPLAIN,
    )


def _add_jobs(router: APIRouter, serving: Serving, slot: ReleaseSlot, jobs: Jobs) -> None:
    # Each row is checked when its turn comes, so that a row that does not fit does not refuse the others.
    rows = Annotated[list[dict[str, Any]], Field(min_length=1, max_length=serving.limits.job_rows)]

    async def post_job(request: Request) -> Response:
        is_list = request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _LINES
        lines = rows_of(await request.body(), serving.limits.job_rows, is_list=is_list)
        predictor_of(slot)  # refuse now where no release could answer later
        job = await asyncio.to_thread(jobs.submit, slot.project, lines)
        return _json(orjson.dumps(job), ACCEPTED)

    _post(
        router,
        "/predict/jobs",
        _documented(post_job, rows),
        status_code=ACCEPTED,
        response_model=Job,
        summary="Predict a large batch as a background job",
        description=_JOB.format(rows=serving.limits.job_rows),
        openapi_extra={"requestBody": {"content": {_NDJSON: {"schema": {"type": "string"}}}}},
    )

    @router.get("/predict/jobs/{job_id}", summary="Status of a job")
    async def get_job(job_id: str) -> Job:
        return jobs.find(slot.project, job_id)

    @router.get(
        "/predict/jobs/{job_id}/result",
        summary="Predictions of a finished job",
        description=_RESULT,
        response_class=FileResponse,
        responses={200: _RESULT_CONTENT},
    )
    async def get_result(job_id: str) -> FileResponse:
        return FileResponse(jobs.result(slot.project, job_id), media_type=_NDJSON)


def _documented(endpoint: Callable[..., Any], body: Any) -> Callable[..., Any]:
    """The endpoint with `body` as the type that FastAPI documents, and checks where it reads the body itself."""
    parameter = inspect.Parameter("body", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Annotated[body, Body()])
    endpoint.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]  # read by inspect.signature
    return endpoint


def _post(router: APIRouter, path: str, endpoint: Callable[..., Any], **documented: Any) -> None:
    router.add_api_route(path, endpoint, methods=["POST"], route_class_override=RawBodyRoute, **documented)


def _json(document: bytes, status: int = 200) -> Response:
    return Response(document, status, media_type="application/json")


def _record(serving: Serving, slot: ReleaseSlot, body: Any) -> list[Receipt]:
    is_many = isinstance(body, list)
    bodies: Sequence[PredictionOutcome | ExampleOutcome] = body if is_many else [body]
    outcomes = [
        Outcome(body.label, prediction_id=body.prediction_id, label_timestamp=body.label_timestamp)
        if isinstance(body, PredictionOutcome)
        else Outcome(body.label, example_id=body.example_id, label_timestamp=body.label_timestamp)
        for body in bodies
    ]
    if slot.current is not None:
        validate_labels(slot.current.release, outcomes, is_many=is_many)
    receipts = OutcomeRecords(serving.database, slot.project).record(outcomes, source="http", now=slot.now())
    for receipt in receipts:
        slot.meter.outcomes[receipt.status] += 1
    return list(receipts)


def validate_labels(release: LoadedRelease, outcomes: Sequence[Outcome], *, is_many: bool) -> None:
    """Raise `InvalidRequest` for labels that the release's task cannot have."""
    is_regression = release.kind == "regression"
    allowed = "a finite number" if is_regression else f"one of {', '.join(release.classes)}"
    problems = []
    for index, outcome in enumerate(outcomes):
        label = outcome.label
        is_number = not isinstance(label, str) and math.isfinite(label)
        if not (is_number if is_regression else str(label) in release.classes):
            where = f"{index}.label" if is_many else "label"
            problems.append(FieldProblem(where, f"is no label of {release.project}", label, allowed))
    if problems:
        raise InvalidRequest(problems[:50])


def model_info(release: LoadedRelease) -> dict[str, Any]:
    """The facts of a release, for people and tools."""
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
