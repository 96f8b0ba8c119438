"""`/predictions`: the logged predictions, and of one its origin, the contributions of its columns, and its replay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from math import exp
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, computed_field

from touchline import predictions, registry
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.serving.http.explain import explain_body
from touchline.storage.ulids import first_ulid_letters

router = APIRouter(tags=["predictions"])
PredictionId = Annotated[str, Path(description="id of the prediction, from the response")]
Label = str | int | float | bool


class PredictionLine(BaseModel):
    """A prediction beside its outcome; `predicted` is the likeliest class with its probability, or the value."""

    model_config = ConfigDict(from_attributes=True)

    prediction_id: str
    example_id: str | None
    entity_keys: dict[str, str]
    answered_at: datetime
    cutoff: datetime
    predicted: str
    label: Label | None
    label_timestamp: datetime | None


class PredictionPage(BaseModel):
    """Predictions, newest first. `next_before` is null at the end."""

    project: str
    sentence: str
    next_before: str | None
    items: list[PredictionLine]


class ViewOfPrediction(BaseModel):
    """The values of one feature view that the prediction used. `age_seconds` is their age at the cutoff."""

    label: str
    feature_version: str
    status: str
    event_timestamp: datetime | None
    age_seconds: float | None
    watermark: datetime | None


class FileOfPrediction(BaseModel):
    """One source file as it was fetched."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    sha256: str


class IngestOfPrediction(BaseModel):
    """One ingest behind a snapshot."""

    model_config = ConfigDict(from_attributes=True)

    manifest_id: str
    at: datetime
    raw_hash: str
    files: list[FileOfPrediction]


class SourceOfPrediction(BaseModel):
    """The snapshot of one source that the model was trained on, with the ingests behind it."""

    model_config = ConfigDict(from_attributes=True)

    source: str
    snapshot_hash: str
    ingests: list[IngestOfPrediction]


class OutcomeOfPrediction(BaseModel):
    """The newest outcome of the example."""

    model_config = ConfigDict(from_attributes=True)

    label: Label
    label_timestamp: datetime
    source: str


class PredictionTrace(BaseModel):
    """One prediction from its output back to its source files, as `touchline trace` shows it."""

    model_config = ConfigDict(from_attributes=True)

    prediction_id: str
    project: str
    sentence: str
    answered_at: datetime
    cutoff: datetime
    output: dict[str, Any]
    inputs: dict[str, Any]
    entity_keys: dict[str, str]
    example_id: str | None
    views: list[ViewOfPrediction]
    release_id: str
    release_digest: str | None
    version: int | None
    semantic_version: str | None
    run_id: str | None
    promoted_at: datetime | None
    promoted_by: str | None
    training_set_hash: str | None
    sources: list[SourceOfPrediction]
    outcome: OutcomeOfPrediction | None


class ColumnContribution(BaseModel):
    """The value of one column, and its addition to each output."""

    column: str
    value: Any
    adds: dict[str, float]


class Contributions(BaseModel):
    """The columns of a prediction, the largest contribution first. They add up from `base` to the output."""

    release: str
    version: int
    method: str
    space: str = Field(description="the scale on which contributions add up")
    base: dict[str, float]
    contributions: list[ColumnContribution]

    @computed_field(description="the base and all contributions together, on the scale of `space`")  # type: ignore[prop-decorator]  # as Pydantic documents it
    @property
    def total(self) -> dict[str, float]:
        return {name: base + sum(one.adds[name] for one in self.contributions) for name, base in self.base.items()}

    @computed_field(description="the prediction that the total stands for: probabilities, or the value")  # type: ignore[prop-decorator]  # as Pydantic documents it
    @property
    def prediction(self) -> dict[str, float]:
        totals = self.total
        if self.space != "score":
            return totals
        if len(totals) == 1:
            return {name: 1 / (1 + exp(-total)) for name, total in totals.items()}
        largest = max(totals.values())
        parts = {name: exp(total - largest) for name, total in totals.items()}
        return {name: part / sum(parts.values()) for name, part in parts.items()}


class ReplayDocument(BaseModel):
    """The prediction computed again, from its release and its features."""

    model_config = ConfigDict(from_attributes=True)

    prediction_id: str
    sentence: str
    matches: bool
    features: str = Field(description="equal, different, fallback, given, no history or no release")
    logged: dict[str, Any]
    computed: dict[str, Any] | None
    difference: str | None


@router.get("/predictions", summary="Logged predictions beside their outcomes, newest first")
def get_predictions(
    project: ProjectOfRequest,
    *,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(description="only predictions with an id below this one")] = None,
    since: Annotated[date | None, Query(description="answered on this day (UTC) or later")] = None,
    until: Annotated[date | None, Query(description="answered on this day (UTC) or earlier")] = None,
    version: Annotated[int | None, Query(ge=1, description="only predictions of this version")] = None,
) -> PredictionPage:
    bounds = [one for one in (before, None if until is None else _first_id(until + timedelta(days=1))) if one]
    rows = predictions.read_settled(
        project.stores.database,
        project.name,
        limit=limit + 1,
        before=min(bounds, default=None),
        since=None if since is None else _first_id(since),
        release_id=None if version is None else _release_of(project, version),
    )
    items = [_line(project, row) for row in rows[:limit]]
    return PredictionPage(
        project=project.name,
        sentence=_sentence(project),
        next_before=items[-1].prediction_id if len(rows) > limit else None,
        items=items,
    )


@router.get("/predictions/{prediction_id}", summary="The origin of a prediction, down to its source files")
def get_prediction(project: ProjectOfRequest, prediction_id: PredictionId) -> PredictionTrace:
    _validate_project(project, prediction_id)
    traced = predictions.trace(project.stores, prediction_id)
    views = [_view(view, traced.cutoff) for view in traced.views]
    plain = {name: getattr(traced, name) for name in PredictionTrace.model_fields if name not in ("views", "sources")}
    sources = [SourceOfPrediction.model_validate(source) for source in traced.sources]
    keys = _in_order(project, traced.entity_keys)
    return PredictionTrace.model_validate({**plain, "entity_keys": keys, "views": views, "sources": sources})


@router.get("/predictions/{prediction_id}/contributions", summary="The contribution of each column to a prediction")
def get_contributions(project: ProjectOfRequest, prediction_id: PredictionId) -> Contributions:
    """Of a release that is loaded: Production, its predecessor, or a candidate."""
    body = orjson.dumps({"prediction_id": prediction_id})
    return Contributions.model_validate(explain_body(project.api.serving, project.slot, body))


@router.get("/predictions/{prediction_id}/replay", summary="Compute a prediction again, and compare")
def get_replay(project: ProjectOfRequest, prediction_id: PredictionId) -> ReplayDocument:
    _validate_project(project, prediction_id)
    families = registry.declared_families(project.declared.training)
    releases = registry.Releases(project.stores, lambda _: families)
    return ReplayDocument.model_validate(predictions.replay(project.stores, prediction_id, releases.open))


def _first_id(day: date) -> str:
    """The lower bound of every prediction id of a day."""
    return first_ulid_letters(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _release_of(project: RequestedProject, version: int) -> str:
    """The release of a version; of one that was never in Staging none, which predicted nothing."""
    found = registry.read_version(project.stores, project.name, version)
    return project.stores.journal.state(project.name).releases.get(found.version, "")


def _line(project: RequestedProject, row: predictions.SettledPrediction) -> PredictionLine:
    line = PredictionLine.model_validate(row)
    return line.model_copy(update={"entity_keys": _in_order(project, line.entity_keys)})


def _in_order(project: RequestedProject, keys: Mapping[str, str]) -> dict[str, str]:
    """The keys in the order of the declaration, such as the home team first; the log sorts them by name."""
    order = project.declared.task.entity_columns
    return {name: keys[name] for name in [*order, *keys] if name in keys}


def _validate_project(project: RequestedProject, prediction_id: str) -> None:
    """Raises `UnknownPrediction` for a prediction that the project has not logged."""
    predictions.PredictionRecords(project.stores.database, project.name).find(
        prediction_id, roles=predictions.EVERY_ROLE
    )


def _sentence(project: RequestedProject) -> str:
    counts = predictions.PredictionRecords(project.stores.database, project.name).counts()
    if counts.last_answered_at is None:
        is_default = project.name == project.api.serving.default
        route = "/predict" if is_default else f"/projects/{project.name}/predict"
        return f"No prediction is logged yet: send one to {route}."
    logged = "1 prediction is" if counts.predictions == 1 else f"{counts.predictions:,} predictions are"
    return f"{logged} logged, the newest of {counts.last_answered_at:%Y-%m-%d %H:%M} UTC."


def _view(view: Any, cutoff: datetime) -> ViewOfPrediction:
    event = datetime.fromisoformat(view.event_timestamp) if view.event_timestamp else None
    return ViewOfPrediction(
        label=view.label,
        feature_version=view.feature_version,
        status=view.status,
        event_timestamp=event,
        age_seconds=(cutoff - event).total_seconds() if event else None,
        watermark=view.watermark,
    )
