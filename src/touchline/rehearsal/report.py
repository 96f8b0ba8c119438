"""The report of a rehearsal as a document: every policy beside the schedule that was the best in hindsight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import TooFewClusters
from touchline.registry.runs.run_files import to_json
from touchline.rehearsal.seasons import error_of_ratio, error_of_sum, season_name, season_of_steps, sums_by_season
from touchline.rehearsal.yardstick import CrossFitted, Schedule, best_schedule, cross_fitted
from touchline.statistics import Comparison, paired_comparison

if TYPE_CHECKING:
    from touchline.rehearsal.rehearse import Rehearsal
    from touchline.rehearsal.scores import PolicyScores

Array = NDArray[np.float64]
Result = tuple[Sequence[Mapping[str, Any]], "PolicyScores"]

LEFT_OUT: Final = (
    "Left out by settings are model cards, plots, attributions (SHAP) and learning curves of trainings; MLflow runs; "
    "alerts; HTTP, and guardrails on errors and response times. Predictions are made at the cutoff of each example. A "
    "row with columns hidden until they are known counts as published as far ahead as its source allows."
)
# An alarm was right if the model trained then had a lower loss than what was served in the steps after it.
_ALARM_STEPS: Final = 26
_SEED: Final = 14
# The policy that trains least is recommended unless its loss may be higher by more than this share.
_NEGLIGIBLE: Final = 0.02


@dataclass(frozen=True)
class PolicyReport:
    """One policy: its mean loss, its regret in the sum of losses, and what it did.

    An `_error` is a standard error from the differences between seasons, None where there is one season only. `gain`
    is the sum of losses that `never` has more. The naive regret is that to the schedule whose realised loss is lowest.
    """

    name: str
    loss: float
    regret: float
    regret_error: float | None
    regret_of_never: float | None
    regret_of_never_error: float | None
    gain: float | None
    gain_error: float | None
    naive_regret: float
    naive_regret_of_never: float | None
    seasons: Mapping[str, float]
    weekly_regret: tuple[float, ...]
    trainings: int
    failed_trainings: int
    changes_of_production: int
    rollbacks: int
    alarms: int
    false_alarms: int
    training_seconds: float
    seconds: float
    processor_seconds: float
    megabytes_first: float
    megabytes_last: float
    skew: float
    unsettled: int


def build_report(
    rehearsal: Rehearsal, results: Mapping[str, Result], *, score: str, cost: float = 0.0
) -> dict[str, Any]:
    """The whole report as JSON values. `cost` is the loss that one retraining counts in the yardstick.

    `hash` names the report: it covers everything but times and memory, which no two runs share.
    """
    pool = _pool(results)
    scores = results[pool][1]
    trained = np.isfinite(np.diagonal(scores.models))
    yardstick = _Yardstick.of(scores, list(trained), cost)
    policies = [_policy(rehearsal, name, result, results, yardstick) for name, result in results.items()]
    rows = int(scores.rows.sum())
    document: dict[str, Any] = {
        "project": rehearsal.project,
        "from": rehearsal.steps.first,
        "to": rehearsal.steps.last,
        "steps": len(scores.rows),
        "step_days": rehearsal.steps.length.total_seconds() / 86400,
        "first_prediction": rehearsal.steps.at(scores.first_step),
        "predictions": rows,
        "score": score,
        "yardstick": {
            "loss": float(yardstick.fitted.losses.sum()) / max(rows, 1),
            "retrainings": yardstick.fitted.retrainings,
            "penalty": yardstick.fitted.penalty,
            "at": [
                f"{rehearsal.steps.at(scores.first_step + step):%Y-%m-%d}" for step in yardstick.fitted.schedule.steps
            ],
            "naive_loss": yardstick.naive.loss / max(rows, 1),
            "naive_retrainings": max(len(yardstick.naive.steps) - 1, 0),
            "cost": cost,
            "models": int(trained.sum()),
            "models_of": pool,
        },
        "policies": [asdict(policy) for policy in policies],
        "left_out": LEFT_OUT,
    }
    document["recommendation"] = recommend(policies, results, score)
    return document | {"hash": report_hash(document)}


def report_hash(document: Mapping[str, Any]) -> str:
    """The SHA-256 of a report without times and memory."""
    measured = {"training_seconds", "seconds", "processor_seconds", "megabytes_first", "megabytes_last"}
    policies = [{k: v for k, v in policy.items() if k not in measured} for policy in document["policies"]]
    lasting = {key: value for key, value in document.items() if key != "hash"}
    return sha256(to_json({**lasting, "policies": policies})).hexdigest()


def _pool(results: Mapping[str, Result]) -> str:
    """The policy that trained the most models, from which the yardstick chooses."""
    return max(results, key=lambda name: int(np.isfinite(np.diagonal(results[name][1].models)).sum()))


@dataclass(frozen=True, eq=False)
class _Yardstick:
    """The models of the policy that trained the most, and the schedules that hindsight chooses among them."""

    pool: PolicyScores
    fitted: CrossFitted
    naive: Schedule

    @classmethod
    def of(cls, pool: PolicyScores, trained: Sequence[bool], cost: float) -> _Yardstick:
        if not len(pool.rows):
            nothing = Schedule((), 0.0)
            return cls(pool, CrossFitted(np.zeros(0), 0.0, 0.0, nothing), nothing)
        fitted = cross_fitted(pool.folded_models, trained, cost=cost)
        return cls(pool, fitted, best_schedule(pool.models, trained, cost=cost))


def _policy(
    rehearsal: Rehearsal, name: str, result: Result, results: Mapping[str, Result], yardstick: _Yardstick
) -> PolicyReport:
    lines, scores = result
    alarms = _alarms(lines[scores.first_step :])
    never = results["never"][1] if "never" in results else None
    return PolicyReport(
        name=name,
        loss=float(scores.answers.sum() / max(scores.rows.sum(), 1)),
        **_regrets(season_of_steps(rehearsal.steps, scores.first_step, len(scores.rows)), scores, never, yardstick),
        seasons=_seasons(rehearsal, scores),
        weekly_regret=tuple(np.cumsum(scores.answers - yardstick.fitted.losses).tolist()),
        trainings=sum(line["trained"] is not None for line in lines),
        failed_trainings=sum("failure" in line for line in lines),
        changes_of_production=_changes(lines),
        rollbacks=_rollbacks(lines),
        alarms=len(alarms),
        false_alarms=sum(_is_false(step, scores, yardstick.pool) for step in alarms),
        training_seconds=sum(line.get("training_seconds", 0.0) for line in lines),
        seconds=sum(line["seconds"] for line in lines),
        processor_seconds=sum(line["processor_seconds"] for line in lines),
        megabytes_first=lines[min(len(lines) - 1, scores.first_step + 5)]["megabytes"],
        megabytes_last=lines[-1]["megabytes"],
        skew=scores.skew,
        unsettled=scores.unsettled,
    )


def _regrets(
    seasons: NDArray[np.int64], scores: PolicyScores, never: PolicyScores | None, yardstick: _Yardstick
) -> dict[str, Any]:
    """The regrets of a policy and its gain, with their standard errors."""
    ours = sums_by_season(scores.answers - yardstick.fitted.losses, seasons)
    naive = float(scores.answers.sum()) - yardstick.naive.loss
    found: dict[str, Any] = {"regret": float(ours.sum()), "regret_error": error_of_sum(ours), "naive_regret": naive}
    if never is None:
        of_never = ("regret_of_never", "regret_of_never_error", "gain", "gain_error", "naive_regret_of_never")
        return found | dict.fromkeys(of_never)
    theirs = sums_by_season(never.answers - yardstick.fitted.losses, seasons)
    naive_theirs = float(never.answers.sum()) - yardstick.naive.loss
    return found | {
        "regret_of_never": float(ours.sum() / theirs.sum()) if theirs.sum() > 0 else None,
        "regret_of_never_error": error_of_ratio(ours, theirs) if theirs.sum() > 0 else None,
        "gain": float((theirs - ours).sum()),
        "gain_error": error_of_sum(theirs - ours),
        "naive_regret_of_never": naive / naive_theirs if naive_theirs > 0 else None,
    }


def _seasons(rehearsal: Rehearsal, scores: PolicyScores) -> dict[str, float]:
    """The mean loss of each year, counted from the first step."""
    season_of = season_of_steps(rehearsal.steps, scores.first_step, len(scores.rows))
    sums, rows = (np.bincount(season_of, weights=values) for values in (scores.answers, scores.rows))
    return {
        season_name(rehearsal.steps, season): float(sums[season] / rows[season])
        for season in range(len(rows))
        if rows[season]
    }


def _changes(lines: Sequence[Mapping[str, Any]]) -> int:
    productions = [line["production"] for line in lines if line["production"] is not None]
    return sum(before != after for before, after in pairwise(productions))


def _rollbacks(lines: Sequence[Mapping[str, Any]]) -> int:
    productions = [line["production"] for line in lines if line["production"] is not None]
    return sum(after < before for before, after in pairwise(productions))


def _alarms(lines: Sequence[Mapping[str, Any]]) -> list[int]:
    """The steps at which drift or a risen loss was found and the step before had none."""
    wrong = [line.get("drift") == "drift" or line.get("loss") == "degraded" for line in lines]
    return [step for step, is_wrong in enumerate(wrong) if is_wrong and not (step and wrong[step - 1])]


def _is_false(step: int, scores: PolicyScores, pool: PolicyScores) -> bool:
    """Whether the model that could be trained at an alarm was no better than what was served afterwards."""
    trained = [later for later in range(step, len(pool.rows)) if np.isfinite(pool.models[later, later])]
    if not trained:
        return False
    begin = trained[0]
    end = min(begin + _ALARM_STEPS, len(pool.rows))
    return bool(np.nansum(pool.models[begin, begin:end]) >= scores.answers[begin:end].sum())


def recommend(policies: Sequence[PolicyReport], results: Mapping[str, Result], score: str) -> str:
    """One sentence: the statistical policy with the lowest loss, and whether that is more than chance."""
    candidates = [policy for policy in policies if not policy.name.endswith("-naive")]
    best = min(candidates or policies, key=lambda policy: (policy.loss, policy.trainings))
    others = [policy for policy in policies if policy.name != best.name]
    if not others:
        return f"Only {best.name!r} was rehearsed: rehearse another policy to compare it with."
    cheapest = min(candidates or policies, key=lambda policy: policy.trainings)
    if cheapest.name == best.name:
        return f"Use {best.name!r}: no rehearsed policy has a lower {score} ({best.loss:.4f}), and none trains less."
    figures = f"{score} {best.loss:.4f} against {cheapest.loss:.4f}"
    try:
        measured = _compared(results[best.name][1], results[cheapest.name][1])
    except TooFewClusters as few:
        return (
            f"No recommendation: {best.name!r} has the lowest loss ({figures} of {cheapest.name!r}), but {few.actual} "
            f"steps are too few to tell it from chance; {few.needed} are needed."
        )
    if measured.is_better:
        trainings = f"with {best.trainings} trainings"
        return f"Use {best.name!r}: {figures} of {cheapest.name!r}, more than chance explains, {trainings}."
    if -measured.low > _NEGLIGIBLE * cheapest.loss:
        return (
            f"No recommendation: {best.name!r} has the lowest loss ({figures} of {cheapest.name!r}), which in a short "
            f"time may be chance, and {cheapest.name!r} may be worse by {-measured.low:.4f}. Rehearse more time."
        )
    return (
        f"Use {cheapest.name!r}, which trains least: {best.name!r} has the lowest loss, but {figures} is no more than "
        "chance explains."
    )


def _compared(ours: PolicyScores, theirs: PolicyScores) -> Comparison:
    """The mean losses of steps, with steps in time order as clusters. Raises `TooFewClusters`."""
    has_rows = ours.rows > 0
    numbers = np.arange(int(has_rows.sum()), dtype=np.int64)
    ours_by_step, theirs_by_step = (one.answers[has_rows] / ours.rows[has_rows] for one in (ours, theirs))
    return paired_comparison(ours_by_step, theirs_by_step, numbers, alpha=0.05, seed=_SEED)
