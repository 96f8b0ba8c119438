"""The declaration of a task and of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Literal, Self, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from touchline.errors import nearest
from touchline.features import Examples, FeatureView, OnDemand, ViewJoin
from touchline.plugins import names as plugin_names
from touchline.training.calibration_methods import CALIBRATION_METHODS, CalibrationMethod
from touchline.training.estimators.base import GROUP, Family, Kind, ParamValue
from touchline.training.periods import validate_period

# Columns every training set has beside the model's; a slice may not take their place.
_FIXED = ("example_id", "cutoff", "label", "label_timestamp", "cluster")
_PROPER = {"classification": ("log_loss", "brier", "rps"), "regression": ("mse", "mae")}


class Task(BaseModel):
    """One thing to predict. Made by `classification` or `regression`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    type: Literal["classification", "regression"]
    examples: Examples
    features: tuple[ViewJoin, ...] = Field(default=(), description="a view alone is joined by its own entity keys")
    inputs: tuple[str, ...] = Field(default=(), description="columns of the examples that the model sees as they are")
    on_demand: tuple[OnDemand, ...] = ()
    classes: tuple[str, ...] = Field(default=(), description="all of them; of two, the second is the positive one")
    ordered: bool = Field(default=False, description="the classes have an order, as listed: RPS is a metric then")
    label_horizon: timedelta | None = Field(default=None, description="no event by then is the negative")
    slices: tuple[str, ...] = Field(default=(), description="columns whose values are also evaluated apart")

    @field_validator("features", mode="before")
    @classmethod
    def _joins(cls, features: Sequence[FeatureView | ViewJoin]) -> tuple[ViewJoin, ...]:
        return tuple(part.on() if isinstance(part, FeatureView) else part for part in features)

    @field_validator("classes", mode="before")
    @classmethod
    def _class_names(cls, classes: Sequence[object]) -> tuple[str, ...]:
        return tuple(class_name(value) for value in classes)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if not (self.features or self.inputs or self.on_demand):
            raise ValueError("the task has neither features nor inputs, so there is nothing to learn from")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"`classes` names a class twice: {', '.join(self.classes)}")
        if len(self.classes) == 1:
            raise ValueError(f"`classes` names only {self.classes[0]!r}; a classification needs two or more")
        if self.label_horizon is not None and (len(self.classes) != 2 or self.label_horizon <= timedelta(0)):
            raise ValueError(
                f"label_horizon is {self.label_horizon} with {len(self.classes)} `classes`; it needs a length of time "
                "above 0 and two classes, of which the first is what no event by then means"
            )
        reserved = sorted({*self.inputs, *self.slices} & set(_FIXED))
        if reserved:
            raise ValueError(
                f"{reserved[0]!r} is a column of its own in every training set and cannot be an input or slice"
            )
        return self

    @property
    def kind(self) -> Kind:
        """`multiclass` from three declared classes on; without declared classes the labels decide, see `Labels`."""
        if self.type == "regression":
            return "regression"
        return "multiclass" if len(self.classes) > 2 else "binary"

    @property
    def entity_columns(self) -> tuple[str, ...]:
        """The columns of the examples that hold entity keys, in order of first use."""
        return tuple(dict.fromkeys(column for join in self.features for column in join.example_columns))


def class_name(value: object) -> str:
    """A label as the name of its class, spelt as Polars casts it to text.

    >>> class_name(True), class_name(1), class_name("draw")
    ('true', '1', 'draw')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


class Parts(TypedDict, total=False):
    """The inputs of a task's model, and the subgroups that are also evaluated apart."""

    features: Sequence[FeatureView | ViewJoin]
    inputs: Sequence[str]
    on_demand: Sequence[OnDemand]
    slices: Sequence[str]


class ClassParts(Parts, total=False):
    """Further, optional settings of a task with classes, see `Task`."""

    classes: Sequence[object]
    ordered: bool
    label_horizon: timedelta | None


def classification(*, examples: Examples, **parts: Unpack[ClassParts]) -> Task:
    """A task whose label is one of several classes; the last of two is the one that counts as positive."""
    return Task(type="classification", examples=examples, **parts)  # type: ignore[arg-type]  # made tuples by Task


def regression(*, examples: Examples, **parts: Unpack[Parts]) -> Task:
    """A task whose label is a number."""
    return Task(type="regression", examples=examples, **parts)  # type: ignore[arg-type]  # made tuples by Task


class Tune(BaseModel):
    """The limits of a candidate's search. The default setting is always tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: Annotated[int, Field(ge=0)] = Field(default=0, description="settings tried per candidate; 0: none")
    seconds: Annotated[float, Field(gt=0)] | None = Field(default=None, description="for all searches together")
    windows: Annotated[int, Field(ge=1, le=20)] = Field(default=3, description="windows a setting is scored on")
    every: str | timedelta | None = Field(
        default=None, description="search again after so long; until then the settings found compete as they are"
    )

    @field_validator("every")
    @classmethod
    def _length_of_time(cls, every: str | timedelta | None) -> str | timedelta | None:
        return validate_period(every) if isinstance(every, str) else every

    @property
    def is_on(self) -> bool:
        return self.trials > 0 or self.seconds is not None


class Candidate(BaseModel):
    """A family with settings of its own, under a name of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    family: str | Family
    params: Mapping[str, ParamValue] = Field(default_factory=dict)
    class_weight: Literal["balanced"] | None = None
    smote: bool = False
    columns: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="only so many, those that predict the label best, each alone; chosen anew in each fit"
    )
    recent: bool = Field(
        default=False,
        description="learn from the newest rows alone where they clearly predict better; chosen in each fit",
    )

    @field_validator("family")
    @classmethod
    def _installed(cls, family: str | Family) -> str | Family:
        return validate_family(family) if isinstance(family, str) else family


def validate_family(name: str) -> str:
    known = plugin_names(GROUP)
    if name not in known:
        raise ValueError(f"no estimator {name!r} is installed. {nearest(name, known)}")
    return name


class Costs(BaseModel):
    """The costs of wrong decisions between two classes, in any one unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    false_positive: Annotated[float, Field(gt=0)]
    false_negative: Annotated[float, Field(gt=0)]


Threshold = Annotated[float, Field(gt=0, lt=1)] | Literal["auto", "f1"] | Costs


class Training(BaseModel):
    """The training of a task: its candidates, its split and its score."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidates: tuple[str | Candidate, ...] = Field(
        default=(), description="default: a linear family, lightgbm and catboost"
    )
    tune: Tune = Tune()
    split: Literal["auto", "time", "stratified", "grouped"] = "auto"
    test: float | str | timedelta = Field(default=0.2, description="the newest examples: a share, or a length of time")
    validation: float | str | timedelta = Field(default=0.2, description="of what lies before the test window")
    embargo: str | timedelta | None = Field(default=None, description="gap before each window that no fit looks into")
    seed: int = 7
    score: str | None = Field(default=None, description="log_loss, brier or rps; mse or mae for numbers")
    smote: bool = Field(
        default=False, description="let SMOTE and class weights compete where classes are rare; each costs a fit more"
    )
    calibration: tuple[CalibrationMethod, ...] = Field(
        default=CALIBRATION_METHODS, description="corrections that compete"
    )
    coverage: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.9, description="share of observed values that the prediction interval covers"
    )
    threshold: Threshold = Field(
        default="auto",
        description="probability from which the second of two classes is predicted; 'f1' or `Costs` choose it on "
        "validation rows; 'auto': 0.5, or by F1 where the class is rare (below 10 %)",
    )
    trusted: tuple[str, ...] = Field(default=(), description="columns that may tell the label by themselves")
    baselines: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="name to the columns of the examples that hold its probabilities in class order, or its number; "
        "a column that the task's `inputs` do not list is for this comparison alone",
    )
    leak_margins: Mapping[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="baseline to the largest gain in log loss over it that is plausible; a backtest that claims more "
        "reports a suspected leak",
    )
    blend: bool | Literal["only"] = Field(
        default=True, description="an average of the candidates competes too; 'only': it is the model"
    )
    compare_every: str | timedelta | None = Field(
        default=None,
        description="let all candidates compete again after so long; until then a retraining fits those of "
        "Production's recipe alone",
    )
    bags: Annotated[int, Field(ge=1, le=20)] = Field(default=1, description="fits of each member of a blend, by seed")
    learning_curve: bool = Field(default=True, description="fit the winner on parts of the training rows too")
    seconds: Annotated[float, Field(gt=0)] | None = Field(default=None, description="about, for the whole training")
    candidate_seconds: Annotated[float, Field(gt=0)] | None = Field(default=None, description="limit for each")
    threads: Annotated[int, Field(ge=1)] | None = None

    @field_validator("test", "validation")
    @classmethod
    def _window(cls, window: float | str | timedelta) -> float | str | timedelta:
        if isinstance(window, str):
            return validate_period(window)
        if isinstance(window, float | int) and not 0 < window < 1:
            raise ValueError(f"{window} is not a share between 0 and 1")
        if isinstance(window, timedelta) and window <= timedelta(0):
            raise ValueError(f"{window} is not a length of time above 0")
        return window

    @field_validator("embargo", "compare_every")
    @classmethod
    def _length_of_time(cls, length: str | timedelta | None) -> str | timedelta | None:
        return validate_period(length) if isinstance(length, str) else length

    @field_validator("baselines")
    @classmethod
    def _free_names(cls, baselines: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        taken = sorted({"baseline", "production"} & set(baselines))
        if taken:
            raise ValueError(f"a baseline cannot be named {taken[0]!r}, which gates call what every project has")
        return baselines

    @field_validator("candidates")
    @classmethod
    def _named_once(cls, candidates: tuple[str | Candidate, ...]) -> tuple[str | Candidate, ...]:
        names = [c if isinstance(c, str) else c.name for c in candidates]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"candidate {name!r} is named more than once")
        for candidate in candidates:
            if isinstance(candidate, str):
                validate_family(candidate)
        return candidates

    @field_validator("score")
    @classmethod
    def _proper(cls, score: str | None) -> str | None:
        known = [name for scores in _PROPER.values() for name in scores]
        if score is not None and score not in known:
            close = get_close_matches(score, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Proper scores: {', '.join(known)}."
            raise ValueError(f"{score!r} is not a proper score, so choosing by it spoils the probabilities. {hint}")
        return score

    def score_for(self, kind: Kind) -> str:
        """The score candidates are chosen by."""
        return self.score or ("mse" if kind == "regression" else "log_loss")

    def candidates_for(self, kind: Kind) -> tuple[Candidate, ...]:
        """The declared candidates, or a linear family, lightgbm and catboost."""
        declared = self.candidates or (("ridge" if kind == "regression" else "logistic"), "lightgbm", "catboost")
        return tuple(Candidate(name=c, family=c) if isinstance(c, str) else c for c in declared)
