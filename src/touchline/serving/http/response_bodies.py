"""The bodies of requests and responses as the OpenAPI document shows them: those of a release follow its fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from touchline.serving.http.explain import MOST_ROWS
from touchline.serving.http.outcome_bodies import Label, outcomes_body
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.request_fields import title_of


class LoggedPrediction(BaseModel):
    """A prediction that is in the prediction log."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: Annotated[str, Field(min_length=1, max_length=200)]


class Contribution(BaseModel):
    """The contribution of one column to each output."""

    column: str
    value: Any
    adds: dict[str, float]


class Explanation(BaseModel):
    """The contribution of each column to the model's score, by output."""

    release: str
    version: int
    method: str
    space: str
    base: dict[str, float]
    contributions: list[Contribution]


class Explanations(BaseModel):
    """An explanation for each row."""

    explanations: list[Explanation]


class ViewFreshness(BaseModel):
    """The source of the values of one view."""

    status: Literal["present", "missing", "expired", "fallback"]
    event_timestamp: datetime | None


class Interval(BaseModel):
    """Covers the observed value in a share `coverage` of the cases (split-conformal)."""

    low: float
    high: float
    coverage: float


@dataclass(frozen=True)
class ReleaseBodies:
    """The bodies of one project's routes: those of a release, or any object while no release is in Production."""

    request: Any
    response: Any
    explained: Any
    outcomes: Any
    note: str = ""

    @classmethod
    def of(cls, predictor: Predictor | None, most_rows: int) -> ReleaseBodies:
        """The bodies of the release that a predictor serves."""
        if predictor is None:
            row: Any = dict[str, Any]
            return cls(_one_or_many(row, most_rows), dict[str, Any], row, outcomes_body(Label, ""))
        release, models = predictor.release, predictor.models
        row = models.by_keys if models.by_values is None else models.by_keys | models.by_values
        title = title_of(release.project)
        label: Any = float if release.kind == "regression" else Literal[release.classes]
        return cls(
            request=_one_or_many(row, most_rows),
            response=_predictions(predictor, title),
            explained=LoggedPrediction | _one_or_many(row, MOST_ROWS),
            outcomes=outcomes_body(label, title),
            note=f"Release {release.id}, version {release.version}.",
        )


def _one_or_many(row: Any, most_rows: int) -> Any:
    return row | Annotated[list[row], Field(min_length=1, max_length=most_rows)]


def _predictions(predictor: Predictor, title: str) -> Any:
    """One prediction, or a list of them."""
    release = predictor.release
    output: dict[str, Any] = {"value": (float, ...)}
    if release.interval is not None:
        output["interval"] = (Interval, ...)
    if release.kind != "regression":
        output = {"probabilities": (_probabilities(release.classes, title), ...)}
    prediction = create_model(
        f"{title}Prediction",
        prediction_id=(str, Field(description="for the command: touchline trace ID")),
        **output,
        project=(str, ...),
        release=(str, ...),
        version=(int, ...),
        variant=(str, ...),
        cutoff=(datetime, ...),
        features=(dict[str, ViewFreshness], Field(description="by view, where features were looked up")),
        candidate_lacks=(
            list[str] | None,
            Field(None, description="fields of a rollout's candidate that the request lacks: it is not in the rollout"),
        ),
    )
    return prediction | create_model(f"{title}Predictions", predictions=(list[prediction], ...))  # type: ignore[valid-type]


def _probabilities(classes: tuple[str, ...], title: str) -> type[BaseModel]:
    """A class may have any name, so each is the alias of a field."""
    fields: dict[str, Any] = {
        f"class_{place}": (Annotated[float, Field(ge=0, le=1, alias=name)], ...) for place, name in enumerate(classes)
    }
    return create_model(f"{title}Probabilities", **fields)
