"""The routes of jobs: large batches with a status."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel

from touchline.serving.http.jobs import Jobs, rows_of
from touchline.serving.http.state import Serving
from touchline.serving.predicting.answer import predictor_of
from touchline.serving.releases.release_slot import ReleaseSlot

_LINES = ("application/x-ndjson", "application/jsonl")


class JobBody(BaseModel):
    """How far a job is."""

    id: str
    project: str
    state: str
    rows: int
    done: int
    refused: int
    message: str


def job_router(serving: Serving, slot: ReleaseSlot, jobs: Jobs, *, prefix: str, tag: str) -> APIRouter:
    """The job routes of one project under a prefix."""
    router = APIRouter(prefix=prefix, tags=[tag])

    @router.post("/predict/jobs", status_code=202, include_in_schema=False)
    async def post_job(request: Request) -> JobBody:
        body = await request.body()
        is_list = request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _LINES
        rows = rows_of(body, serving.limits.job_rows, is_list=is_list)
        predictor_of(slot)  # without a release, the client is told now
        return JobBody(**vars(await asyncio.to_thread(jobs.submit, slot.project, rows)))

    @router.get("/predict/jobs/{job_id}", summary="How far a job is")
    async def get_job(job_id: str) -> JobBody:
        return JobBody(**vars(jobs.find(slot.project, job_id)))

    @router.get("/predict/jobs/{job_id}/result", summary="A finished job's answers, one a line", response_model=None)
    async def get_result(job_id: str) -> FileResponse:
        return FileResponse(jobs.result(slot.project, job_id), media_type="application/x-ndjson")

    return router
