"""`/model/skew`: the features that requests were answered with, against those that history gives offline."""

from __future__ import annotations

import math
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from touchline import predictions
from touchline.api.state import ProjectOfRequest
from touchline.errors import NothingInProduction
from touchline.features import SkewProof, read_skew_proof

router = APIRouter(tags=["features"])


class SkewedColumn(BaseModel):
    """A feature, and the number of checked vectors in which it was served with another value."""

    column: str
    vectors: int


class SkewedValue(BaseModel):
    """One value as served and as history gives it; null: no value."""

    prediction_id: str
    column: str
    served_value: float | None
    offline_value: float | None


class SkewDocument(BaseModel):
    """The newest proof of the release in use. `verified_at` is null where it was never checked."""

    sentence: str
    release: str | None
    verified_at: datetime | None = Field(description="wall time")
    checked: int
    mismatched: int
    fallback_rows: int = Field(description="answered by a fall-back: not counted")
    upper_bound: float = Field(description="the skew rate is at most this, one-sided at 95 %")
    columns: list[SkewedColumn]
    mismatches: list[SkewedValue] = Field(description="the first of them")


class SkewSample(BaseModel):
    """How many logged predictions to check, drawn at random."""

    model_config = ConfigDict(extra="forbid")

    sample: int = Field(1000, ge=1, le=20_000)


@router.get("/model/skew", summary="Served features against offline features")
def get_skew(project: ProjectOfRequest) -> SkewDocument:
    release = project.slot.current.release.id if project.slot.current else None
    proof = read_skew_proof(project.name, release, project.stores.objects) if release else None
    return _document(project.name, release, proof)


@router.post("/model/skew", summary="Check logged features against their histories now")
def post_skew(project: ProjectOfRequest, body: SkewSample) -> SkewDocument:
    """The result is the release's newest proof, which metrics and alerts use too."""
    if project.slot.current is None:
        raise NothingInProduction(project.name)
    release = project.slot.current.release
    verified = predictions.verify_features(release, project.stores, sample=body.sample, at=project.wall())
    return _document(project.name, release.id, verified.proof)


def _document(project: str, release: str | None, proof: SkewProof | None) -> SkewDocument:
    if proof is None:
        sentence = (
            f"{project} has no version in Production: no feature was served."
            if release is None
            else f"{release}: served features were not checked against history yet."
        )
        return SkewDocument(
            sentence=sentence,
            release=release,
            verified_at=None,
            checked=0,
            mismatched=0,
            fallback_rows=0,
            upper_bound=1.0,
            columns=[],
            mismatches=[],
        )
    by_count = sorted(proof.by_column.items(), key=lambda pair: -pair[1])
    return SkewDocument(
        sentence=proof.sentence,
        release=release,
        verified_at=proof.verified_at,
        checked=proof.checked,
        mismatched=proof.mismatched,
        fallback_rows=proof.fallback_rows,
        upper_bound=proof.upper_bound,
        columns=[SkewedColumn(column=column, vectors=count) for column, count in by_count],
        mismatches=[
            SkewedValue(
                prediction_id=one.prediction_id,
                column=one.column,
                served_value=_number(one.logged_value),
                offline_value=_number(one.offline),
            )
            for one in proof.mismatches
        ],
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
