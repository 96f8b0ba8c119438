"""What `/outcomes` takes and gives."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from touchline.serving.predicting.instants import Instant

_NO_NUL = "^[^\\x00]*$"  # PostgreSQL cannot keep it
_Id = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Label = (
    Annotated[str, Field(max_length=10_000, pattern=_NO_NUL)]
    | int
    | Annotated[float, Field(allow_inf_nan=False)]
    | bool
)
TAGS = ("one", "many", "example", "prediction")
"""Steps in the path of an error that are ours and name no field."""


class ExampleOutcome(BaseModel):
    """What happened to an example."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"example_id": "1234", "label": "home"}})

    example_id: _Id
    label: Label
    label_timestamp: Instant | None = Field(None, description="when it became known; default: now")


class PredictionOutcome(BaseModel):
    """What happened to the example that a prediction was about."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: _Id
    label: Label
    label_timestamp: Instant | None = Field(None, description="when it became known; default: now")


def _names(outcome: Any) -> str:
    """Told by what it names, so that an error speaks of one form and not of both."""
    has_prediction = "prediction_id" in outcome if isinstance(outcome, dict) else isinstance(outcome, PredictionOutcome)
    return "prediction" if has_prediction else "example"


OutcomeBody = Annotated[
    Annotated[PredictionOutcome, Tag("prediction")] | Annotated[ExampleOutcome, Tag("example")], Discriminator(_names)
]
OutcomesBody = Annotated[
    Annotated[list[OutcomeBody], Field(min_length=1, max_length=10_000), Tag("many")]
    | Annotated[OutcomeBody, Tag("one")],
    Discriminator(lambda body: "many" if isinstance(body, list) else "one"),
]


class ReceiptBody(BaseModel):
    """What became of an outcome."""

    example_id: str
    status: str = Field(description="recorded, unchanged or corrected")
    revision: int
    predictions: int = Field(description="logged answers that it settles")


class ReceiptsBody(BaseModel):
    outcomes: list[ReceiptBody]
