"""`POST /score`: one lead or a list, scored, with the decision and the columns that moved each score most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from touchline.http.problems import BatchTooLarge, InvalidRequest
from touchline.serving import RouteContext

MOST_REASONS = 5
MOST_LEADS = 200


class Reason(BaseModel):
    """One column of the lead, and what it adds to the model's score of a buyer (or to its probability)."""

    column: str
    value: Any
    adds: float


class ScoredLead(BaseModel):
    """The probability that the lead buys, and the reasons, largest first."""

    prediction_id: str
    score: float
    release: str
    reasons: list[Reason] = Field(max_length=MOST_REASONS)


class ScoredLeads(BaseModel):
    """A scored lead for each row, in the order of the rows."""

    leads: list[ScoredLead]


def score_routes(context: RouteContext) -> APIRouter:
    """The routes of this project; they answer by the release in Production, and log as `/predict` does."""
    router = APIRouter()

    @router.post("/score", summary="Score one lead or many, with reasons")
    def post_score(body: dict[str, Any] | list[dict[str, Any]]) -> ScoredLead | ScoredLeads:
        rows = body if isinstance(body, list) else [body]
        if len(rows) > MOST_LEADS:
            raise BatchTooLarge(len(rows), MOST_LEADS)
        predictions = context.predict(rows) if isinstance(body, list) else [predict_one(context, body)]
        leads = [scored(prediction, context.explain(prediction["prediction_id"])) for prediction in predictions]
        return ScoredLeads(leads=leads) if isinstance(body, list) else leads[0]

    return router


def predict_one(context: RouteContext, lead: dict[str, Any]) -> dict[str, Any]:
    """The prediction of one lead. Raises `InvalidRequest` with the fields as this request has them."""
    try:
        return context.predict([lead])[0]
    except InvalidRequest as refusal:
        problems = [replace(one, field=one.field.removeprefix("0").removeprefix(".")) for one in refusal.problems]
        raise InvalidRequest(problems) from None


def scored(prediction: dict[str, Any], explanation: dict[str, Any]) -> ScoredLead:
    """The buyer's probability is that of the last class; an explanation of log-odds has that class alone."""
    buyer = list(prediction["probabilities"])[-1]
    reasons = [
        Reason(column=one["column"], value=one["value"], adds=one["adds"][buyer])
        for one in explanation["contributions"][:MOST_REASONS]
    ]
    return ScoredLead(
        prediction_id=prediction["prediction_id"],
        score=prediction["probabilities"][buyer],
        release=prediction["release"],
        reasons=reasons,
    )
