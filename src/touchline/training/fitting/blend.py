"""A blend: the weighted mean of several candidates' predictions, or of the logarithms of their probabilities.

The weights are found on out-of-fold predictions by adding, again and again, the candidate that helps most
(Caruana et al. 2004), so that candidates that do not help get none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from touchline import plugins
from touchline.training.estimators.arrays import softmax
from touchline.training.estimators.base import GROUP, Family, FitRequest, Fitted, Kind, Params, ParamValue
from touchline.training.fitting.preparation import Preparation
from touchline.training.fitting.wrapped_families import inner_family, wrapper_of
from touchline.training.metrics.losses import CLASSIFICATION_LOSSES, FEW_ROWS, Labels, loss_rows, surprise_loss

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]

NAME: Final = "blend"
POOL: Final = "pool"
Pool = Literal["mean", "log"]
_SMALLEST: Final = 1e-12
# On few rows, the weights that they are drawn towards count as much as so many rows.
_ROWS_OF_PRIOR: Final = 100
_STEPS: Final = 40


@dataclass(frozen=True)
class Member:
    """One candidate of a blend: its family, its own preparation, and its weight."""

    family: str
    preparation: Preparation
    estimator: Fitted
    weight: float


@dataclass(frozen=True)
class Blend:
    """Members that each prepare the vectors for themselves."""

    members: tuple[Member, ...]
    pool: Pool = "mean"
    settled: Params = field(default_factory=dict)

    def predict(self, vectors: Array) -> Array:
        predictions = [m.estimator.predict(m.preparation.transform(vectors)) for m in self.members]
        return pooled(predictions, [m.weight for m in self.members], self.pool)

    def export(self, folder: Path) -> None:
        record = [
            {"family": m.family, "weight": m.weight, "preparation": m.preparation.to_json()} for m in self.members
        ]
        blend = {POOL: self.pool, "members": record}
        (folder / "members.json").write_text(json.dumps(blend, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        for place, member in enumerate(self.members):
            (folder / f"{place}").mkdir()
            member.estimator.export(folder / f"{place}")


@dataclass(frozen=True)
class BlendFamily:
    """Restores blends; `families` are a project's own. Fitting one means fitting its members, see `fit_estimator`."""

    families: Mapping[str, Family] = field(default_factory=dict)
    name: str = NAME
    layout: Literal["dense", "trees"] = "trees"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {}

    def fit(self, request: FitRequest) -> Fitted:
        raise NotImplementedError(f"a blend of {request.kind} has no fit of its own; its members are fitted one by one")

    def restore(self, folder: Path) -> Fitted:
        record = json.loads((folder / "members.json").read_text(encoding="utf-8"))
        return Blend(
            tuple(
                Member(
                    entry["family"],
                    Preparation.from_json(entry["preparation"]),
                    self.family_of(entry["family"]).restore(folder / f"{place}"),
                    float(entry["weight"]),
                )
                for place, entry in enumerate(record["members"])
            ),
            pool_of(record),
        )

    def family_of(self, name: str) -> Family:
        return find_family(name, self.families)


def find_family(name: str, families: Mapping[str, Family] | None = None) -> Family:
    """A project's own family, the blend of families, one that wraps another, or the installed one of that name."""
    if families and name in families:
        return families[name]
    if name == NAME:
        return BlendFamily(families or {})
    if wrapper := wrapper_of(name):
        wrap, inner = wrapper
        return wrap(find_family(inner, families))
    found: Family = plugins.load(GROUP, name)
    return found


def own_families(family: Family) -> Mapping[str, Family]:
    """The families that a model of this one needs to be restored, by name."""
    if isinstance(family, BlendFamily):
        return family.families
    inner = inner_family(family)
    return {inner.name: inner}


def pooled(predictions: Sequence[Array], weights: Sequence[float] | Array, pool: Pool) -> Array:
    """The weighted mean of the predictions; with "log" that of the logarithms of probabilities, summing to 1 again."""
    values = [weight * _to_pool(each, pool) for weight, each in zip(weights, predictions, strict=True)]
    return _from_pool(np.asarray(np.sum(values, axis=0)), pool)


def _to_pool(predictions: Array, pool: Pool) -> Array:
    return np.log(np.clip(predictions, _SMALLEST, 1.0)) if pool == "log" else predictions


def _from_pool(values: Array, pool: Pool) -> Array:
    return softmax(values) if pool == "log" else values


def pool_of(settings: Mapping[str, ParamValue]) -> Pool:
    return "log" if settings.get(POOL) == "log" else "mean"


def pool_for(score: str, rows: int) -> Pool:
    """How candidates are pooled whose predictions of so many rows are known.

    The mean of calibrated probabilities is too cautious (Ranjan & Gneiting 2010). Many rows show it, and the blend is
    corrected; few rows do not, and the mean of the logarithms stays as sharp as its members.
    """
    return "log" if rows < FEW_ROWS and score in CLASSIFICATION_LOSSES else "mean"


def blend_weights(score: str, labels: Labels, predictions: Sequence[Array], pool: Pool = "mean") -> Array:
    """Weights, summing to 1, under which the pooled prediction has the lowest score on these rows.

    Few rows say little about weights, which are drawn there towards the first candidate alone in a pool of logarithms,
    where one member that is sure and wrong costs most, and towards equal weights in a mean. Of two or more classes few
    rows count one surprise more than was seen.
    """
    is_few = len(labels) < FEW_ROWS
    surprises = 1 if is_few and score in CLASSIFICATION_LOSSES else 0
    values = [_to_pool(each, pool) for each in predictions]

    def mean_loss(predictions: Array) -> float:
        seen = float(loss_rows(score, labels, predictions).sum())
        return (seen + (surprise_loss(score, predictions) if surprises else 0.0)) / (len(labels) + surprises)

    total, counts = np.zeros_like(values[0]), np.zeros(len(values))
    best = np.inf
    for step in range(1, _STEPS + 1):
        losses = [mean_loss(_from_pool((total + each) / step, pool)) for each in values]
        chosen = int(np.argmin(losses))
        if losses[chosen] >= best and step > len(values):
            break
        best = min(best, losses[chosen])
        total = total + values[chosen]
        counts[chosen] += 1
    weights: Array = counts / counts.sum()
    if not is_few:
        return weights
    prior = np.eye(len(weights))[0] if pool == "log" else np.full(len(weights), 1 / len(weights))
    return np.asarray((len(labels) * weights + _ROWS_OF_PRIOR * prior) / (len(labels) + _ROWS_OF_PRIOR))
