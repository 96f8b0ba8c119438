"""`Project`: the declarations of all rooms in one model, checked against each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from touchline.alerts import Alerts
from touchline.errors import nearest
from touchline.features import FeatureView
from touchline.ingest import Source
from touchline.monitoring import Monitoring
from touchline.project.pages import Page
from touchline.project.schedules import Daily, Retrain
from touchline.registry import Gate
from touchline.rollout import Rollout
from touchline.training import Task, Training

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


class SampleClock(BaseModel):
    """Project time of a sample: frozen at `at` until `touchline clock advance`.

    >>> SampleClock(at="2009-04-15T00:00:00Z").at.year
    2009
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: AwareDatetime


def is_project_name(name: str) -> bool:
    """Whether a project may have this name: it is a folder, a module and a prefix of keys."""
    return _NAME.fullmatch(name) is not None


class Alternative(BaseModel):
    """Another task over the same views, with a training of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    task: Task
    training: Training


class Project(BaseModel):
    """One declared problem. Creating it checks that its parts fit together."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    feature_views: tuple[FeatureView, ...] = ()
    task: Task
    training: Training = Field(default_factory=Training)
    gates: tuple[Gate, ...] = ()
    rollout: Rollout | None = None
    retrain: Retrain = Retrain()
    daily: Daily | None = None
    monitoring: Monitoring = Field(default_factory=Monitoring)
    alerts: Alerts | None = None
    clock: SampleClock | None = None
    routers: tuple[Any, ...] = Field((), description="functions that return a FastAPI router for the server")
    pages: tuple[Page, ...] = Field((), description="pages that the project adds to the dashboard")
    description: str = ""
    identity: dict[str, str] = Field(
        default_factory=dict, description="columns of the examples' first source that a backtest shows, by shown name"
    )
    alternatives: dict[str, Task | Alternative] = Field(
        default_factory=dict, description="other tasks over the same views, which `touchline backtest` can take"
    )

    @field_validator("name")
    @classmethod
    def _usable_name(cls, name: str) -> str:
        if not is_project_name(name):
            raise ValueError(
                f"{name!r} cannot name a project: use a lower-case letter, then at most 47 letters, digits or '_'"
            )
        return name

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        _unique("sources", (source.name for source in self.sources))
        _unique("feature_views", (view.name for view in self.feature_views))
        _unique("pages", (page.path for page in self.pages))
        self._views_read_declared_sources()
        self._task_uses_declared_parts()
        self._gates_name_declared_baselines()
        self._margins_name_declared_baselines()
        if self.rollout is not None and self.rollout.metric == "rps" and not self.task.ordered:
            raise ValueError("the rollout's metric is 'rps', and the task's classes have no order (ordered=True)")
        return self

    def _views_read_declared_sources(self) -> None:
        declared = {source.name for source in self.sources}
        for view in self.feature_views:
            for source in view.sources:
                if source.name not in declared:
                    raise ValueError(
                        f"feature view {view.name!r} reads source {source.name!r}, which `sources` does not list. "
                        f"{nearest(source.name, declared)}"
                    )

    def _task_uses_declared_parts(self) -> None:
        sources = {source.name for source in self.sources}
        for source in self.task.examples.sources:
            if source.name not in sources:
                raise ValueError(
                    f"the task's examples read source {source.name!r}, which `sources` does not list. "
                    f"{nearest(source.name, sources)}"
                )
        views = {view.name for view in self.feature_views}
        for join in self.task.features:
            if join.view.name not in views:
                raise ValueError(
                    f"the task joins view {join.view.name!r}, which `feature_views` does not list. "
                    f"{nearest(join.view.name, views)}"
                )

    def _gates_name_declared_baselines(self) -> None:
        baselines = {"production", "baseline", *self.training.baselines}
        for gate in self.gates:
            if gate.over not in baselines:
                raise ValueError(
                    f"gate {gate.describe()!r} compares with {gate.over!r}, which the training's `baselines` do not "
                    f"name. {nearest(gate.over, baselines)}"
                )

    def _margins_name_declared_baselines(self) -> None:
        for name in self.training.leak_margins:
            if name not in self.training.baselines:
                raise ValueError(
                    f"`leak_margins` names {name!r}, which the training's `baselines` do not name. "
                    f"{nearest(name, self.training.baselines)}"
                )

    def frozen_at(self) -> datetime | None:
        """The declared instant of a sample project, else None."""
        return self.clock.at if self.clock else None


def _unique(field: str, names: Iterable[str]) -> None:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise ValueError(f"`{field}` names {', '.join(map(repr, repeated))} more than once")
