"""The request and response bodies of `/outcomes`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, create_model
from pydantic_core import PydanticCustomError

from touchline.predictions import Receipt
from touchline.serving.predicting.instants import Instant

_NO_NUL = "^[^\\x00]*$"  # PostgreSQL cannot keep it
_Id = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]


def _validate_type(label: Any) -> Any:
    """One fault where a label is none of the types below, instead of one for each of them."""
    if label is None:
        raise PydanticCustomError("label_null", "is null: send an outcome once its label is known")
    if not isinstance(label, str | int | float):
        raise PydanticCustomError("label_type", "should be a class or a number")
    return label


Label = Annotated[
    Annotated[str, Field(max_length=10_000, pattern=_NO_NUL)]
    | int
    | Annotated[float, Field(allow_inf_nan=False)]
    | bool,
    BeforeValidator(_validate_type),
]
_TAGS = ("one", "many", "example", "prediction", "str", "int", "float", "bool", "list", "dict")
_TAG_STARTS = ("constrained-", "literal[", "function-", "nullable[", "list[", "dict[")


def is_tag(part: int | str) -> bool:
    """Whether a part of an error's path names one of several types and no field."""
    return isinstance(part, str) and (part in _TAGS or part.startswith(_TAG_STARTS))


class ExampleOutcome(BaseModel):
    """The label of an example."""

    model_config = ConfigDict(extra="forbid")

    example_id: Annotated[_Id, Field(examples=["1234"])]
    label: Label
    label_timestamp: Instant | None = Field(None, description="when it became known; default: now")


class PredictionOutcome(BaseModel):
    """The label of the example that a prediction was about."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: _Id
    label: Label
    label_timestamp: Instant | None = Field(None, description="when it became known; default: now")


def _names(outcome: Any) -> str:
    """Which id the outcome has, so that an error speaks of one form and not of both."""
    has_prediction = "prediction_id" in outcome if isinstance(outcome, dict) else isinstance(outcome, PredictionOutcome)
    return "prediction" if has_prediction else "example"


def outcomes_body(label: Any, title: str) -> Any:
    """One outcome or a list of them, with labels of this type; `title` begins the names of the models."""
    prediction: Any = create_model(f"{title}PredictionOutcome", __base__=PredictionOutcome, label=(label, ...))
    example: Any = create_model(f"{title}ExampleOutcome", __base__=ExampleOutcome, label=(label, ...))
    either: Any = Annotated[prediction, Tag("prediction")] | Annotated[example, Tag("example")]
    outcome: Any = Annotated[either, Discriminator(_names)]
    return Annotated[
        Annotated[list[outcome], Field(min_length=1, max_length=10_000), Tag("many")] | Annotated[outcome, Tag("one")],
        Discriminator(lambda body: "many" if isinstance(body, list) else "one"),
    ]


class Receipts(BaseModel):
    """The status of each stored outcome: recorded, unchanged or corrected; a `note` where nothing knows its example."""

    outcomes: list[Receipt]
