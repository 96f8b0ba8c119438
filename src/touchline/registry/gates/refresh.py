"""A refresh, the same declaration and candidate on newer data: whether a version is one, and its gates.

A refresh need not be better than the recipe that it repeats. It shows no evidence of harm beside Production as served,
on rows that neither has learned from, and its predictions of the newest rows stay near Production's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import ceil, log
from typing import Final

import numpy as np

from touchline.errors import TooFewClusters
from touchline.registry.gates.distance import mean_distance
from touchline.registry.gates.evidence import Evidence, RefreshEvidence, losses
from touchline.registry.gates.report import GateResult
from touchline.registry.gates.spec import Gate
from touchline.registry.gates.stored_predictions import Array
from touchline.registry.journal.versions import ModelVersion
from touchline.statistics import Comparison, Loss, gain_on_newest, paired_comparison, paired_gains
from touchline.training import Recipe

_SEED: Final = 20
# The share of Production's loss that a refresh may be worse by where the unit of the loss is the project's own.
_RELATIVE_MARGIN: Final = 0.02
_UNITS: Final = ("mae", "mse", "rmse")
# The settled rows from which a recalibration has to lower, or at least hold, the mean loss; fewer decide by chance.
_SETTLED_ROWS: Final = 30
# Outcomes that are 20 times likelier under one version's probabilities than under the other's decide between them.
_CONCLUSIVE: Final = log(20)
_MOST_ROWS_TO_WAIT: Final = 100_000
# The scores whose gain on a row lies in a range that is known before its outcome.
_RANGED: Final[Mapping[str, Loss]] = {"log_loss": "log_loss", "brier": "brier", "rps": "rps"}


def recipe_changes(
    version: ModelVersion, production: ModelVersion, recipe: Recipe, production_recipe: Recipe
) -> tuple[str, ...]:
    """The differences that make a version a change; none: it is a refresh of Production.

    Settings that a training selects anew (tuned parameters, weights, calibration, threshold, columns without values)
    are no difference, nor are other data and other library versions. A version recorded before declarations were
    hashed compares by the hash of its code.
    """
    changes = []
    name = "declaration" if {"declaration"} <= version.hashes.keys() & production.hashes.keys() else "code"
    if version.hashes.get(name) != production.hashes.get(name):
        changes.append(f"another {name}")
    if _candidates(recipe) != _candidates(production_recipe):
        changes.append(f"candidate {recipe.candidate} in place of {production_recipe.candidate}")
    if (version.task, version.classes) != (production.task, production.classes):
        changes.append("another task or other classes")
    return tuple(changes)


def _candidates(recipe: Recipe) -> list[tuple[str, str]]:
    """The candidate and the family of each part of a recipe; the bags of one member count once."""
    parts = {(member.candidate, member.family) for member in recipe.members}
    return [(recipe.candidate, recipe.family), *sorted(parts)]


def check_harm(gate: Gate, evidence: Evidence, refresh: RefreshEvidence) -> GateResult:
    """Whether the refresh is shown worse than Production as served by more than the gate's margin.

    Too few rows show nothing, and that passes: the result says so.
    """
    ours = losses(gate.metric, refresh.labels, refresh.predictions, threshold=evidence.threshold)
    reference = refresh.production
    theirs = losses(gate.metric, refresh.labels, reference.predictions, threshold=reference.threshold)
    margin = _margin(gate, float(theirs.mean()) if len(theirs) else 0.0)
    name = f"{gate.metric} of a refresh is not shown worse than Production's by more than {margin:.4g}"
    alpha = 1 - (gate.confidence or 0.95)
    if not refresh.rows:
        message = (
            f"{gate.metric} is not shown worse than that of {reference.name} as served: there are no "
            f"{evidence.rows_name} with an outcome that neither has learned from"
        )
        return GateResult(name, "refresh", True, message, allowed=margin, clusters=0, rows=0)
    try:
        # Whether Production with the margin added to its losses is surely better.
        measured = paired_comparison(
            theirs + margin, ours, refresh.clusters, alpha=alpha, seed=_SEED, dependence=refresh.dependence
        )
    except TooFewClusters as few:
        message = (
            f"{gate.metric} is not shown worse than that of {reference.name} as served: {refresh.rows} "
            f"{evidence.rows_name} that neither has learned from, in {few.actual} clusters, are too few to show harm "
            f"({few.needed} clusters are needed)"
        )
        return GateResult(name, "refresh", True, message, allowed=margin, clusters=few.actual, rows=refresh.rows)
    return GateResult(
        name,
        "refresh",
        not measured.is_better,
        _harm_message(gate, evidence, refresh, measured, margin),
        number=margin - measured.difference,
        allowed=margin,
        low=margin - measured.high,
        high=margin - measured.low,
        clusters=measured.clusters,
        rows=refresh.rows,
    )


def check_recalibration(gate: Gate, evidence: Evidence, refresh: RefreshEvidence) -> GateResult:
    """Whether the mean loss of the settled rows is not higher than Production's; no margin is allowed.

    A recalibration has no other reason than this loss, so that a rise which chance could explain refuses it as well.
    Fewer than 30 rows decide nothing, and that passes: the result says so.
    """
    reference, rows = refresh.production, refresh.rows
    ours = losses(gate.metric, refresh.labels, refresh.predictions, threshold=evidence.threshold)
    theirs = losses(gate.metric, refresh.labels, reference.predictions, threshold=reference.threshold)
    name = f"{gate.metric} of a recalibration is not higher than Production's on settled rows"
    if rows < _SETTLED_ROWS:
        message = (
            f"{gate.metric} was not compared with that of {reference.name} as served: {rows} settled "
            f"{evidence.rows_name}, {_SETTLED_ROWS} are needed"
        )
        return GateResult(name, "refresh", True, message, allowed=0.0, rows=rows)
    rise = float(ours.mean() - theirs.mean())
    way = "higher" if rise > 0 else "lower" if rise < 0 else "different"
    message = (
        f"{gate.metric} on {rows} settled {evidence.rows_name} is {way} by {abs(rise):.4f} than that of "
        f"{reference.name} as served"
    )
    if 0 < rise * rows < _CONCLUSIVE:
        message += _rows_that_decide(refresh)
    return GateResult(name, "refresh", rise <= 0, message, number=rise, allowed=0.0, rows=rows)


def _rows_that_decide(refresh: RefreshEvidence) -> str:
    """The settled rows that tell the two versions apart, if the recalibrated probabilities are right: their expected
    gain in log loss on a row is the divergence of the two.
    """
    ours, theirs = np.maximum(refresh.predictions, 1e-15), np.maximum(refresh.production.predictions, 1e-15)
    expected = float((ours * np.log(ours / theirs)).sum(axis=1).mean())
    if expected * _MOST_ROWS_TO_WAIT < _CONCLUSIVE:
        return ", which chance explains as well; the two hardly differ"
    needed = max(refresh.rows + 1, ceil(_CONCLUSIVE / expected))
    return f", which chance explains as well: about {needed} settled ones decide, so check it again then"


def check_difference(gates: Sequence[Gate], evidence: Evidence, refresh: RefreshEvidence) -> GateResult:
    """Whether the predictions of the newest rows stay near Production's; a person may overrule a no.

    After a change of the world they cannot, so a refresh that is shown better on rows that neither has learned from,
    on all of them or on the newest ones, passes as well. To stay near Production guards nothing where that is shown
    worse on the newest of these rows than the constant baseline, so a refresh passes there too.
    """
    limit = min(gate.difference for gate in gates)
    unit = "" if refresh.spread == 1.0 else " standard deviations of the labels"
    name = f"predictions of a refresh differ from Production's by {limit:g}{unit} at most"
    measured = prediction_difference(refresh)
    where = f"on average on the newest {len(refresh.newest)} {evidence.rows_name}"
    message = f"predictions differ from those of {refresh.production.name} by {measured:.3f}{unit} {where}"
    passed = measured <= limit
    shown = [] if passed else [_shown_better(gate, evidence, refresh) for gate in gates]
    if shown and all(shown):
        message += f", and it is shown better on {shown[0]} that neither has learned from"
        return GateResult(name, "difference", True, message, number=measured, allowed=limit)
    broken = [] if passed else [_shown_broken(gate, evidence, refresh) for gate in gates]
    if broken and all(broken):
        message += f", and {refresh.production.name} is shown worse than the constant baseline on {broken[0]}"
        return GateResult(name, "difference", True, message, number=measured, allowed=limit)
    if not passed:
        message += f", more than the gate's {limit:g}: a person has to look at them"
    return GateResult(name, "difference", passed, message, number=measured, allowed=limit, is_comparable=passed)


def _shown_better(gate: Gate, evidence: Evidence, refresh: RefreshEvidence) -> str | None:
    """The rows, in words, on which the refresh is shown better; None where it is not.

    All rows or the newest ones show it.
    """
    reference, alpha = refresh.production, _shared_alpha(gate)
    ours = losses(gate.metric, refresh.labels, refresh.predictions, threshold=evidence.threshold)
    theirs = losses(gate.metric, refresh.labels, reference.predictions, threshold=reference.threshold)
    with suppress(TooFewClusters):
        dependence = refresh.dependence
        if paired_comparison(ours, theirs, refresh.clusters, alpha=alpha, seed=_SEED, dependence=dependence).is_better:
            return f"{refresh.rows} {evidence.rows_name}"
    return _on_newest(gate, evidence, refresh, new=refresh.predictions)


def _shown_broken(gate: Gate, evidence: Evidence, refresh: RefreshEvidence) -> str | None:
    """The newest rows, in words, on which the constant baseline is shown better than Production as served."""
    if refresh.constant is None:
        return None
    constant = np.broadcast_to(refresh.constant, refresh.predictions.shape)
    return _on_newest(gate, evidence, refresh, new=constant)


def _on_newest(gate: Gate, evidence: Evidence, refresh: RefreshEvidence, *, new: Array) -> str | None:
    """The newest rows, in words, on which predictions are shown better than Production's.

    None where they are not, where rows have no time, and for a metric whose gain on a row has no range.
    """
    if refresh.dependence == "none" or not refresh.rows or gate.metric not in _RANGED:
        return None
    gains = paired_gains(new, refresh.production.predictions, refresh.labels, loss=_RANGED[gate.metric])
    newest = gain_on_newest(gains, refresh.clusters, alpha=_shared_alpha(gate))
    return None if newest is None else f"the newest {newest.rows} {evidence.rows_name} in {newest.clusters} clusters"


def _shared_alpha(gate: Gate) -> float:
    """The risk of error of each of the three ways in which a refresh far from Production may pass."""
    return (1 - (gate.confidence or 0.95)) / 3


def prediction_difference(refresh: RefreshEvidence) -> float:
    """The mean distance of the two predictions of the newest rows."""
    return mean_distance(refresh.newest, refresh.newest_production, refresh.spread)


def _margin(gate: Gate, production_loss: float) -> float:
    if gate.margin is not None:
        return gate.margin
    return _RELATIVE_MARGIN * production_loss if gate.metric in _UNITS else Gate.MARGIN


def _harm_message(gate: Gate, evidence: Evidence, refresh: RefreshEvidence, measured: Comparison, margin: float) -> str:
    confidence = f"{(1 - measured.alpha) * 100:.4g} % confidence, one-sided"
    worse_by, least, most = margin - measured.difference, margin - measured.high, margin - measured.low
    way = "higher" if worse_by > 0 else "lower"
    where = f"on {refresh.rows} {evidence.rows_name} in {measured.clusters} clusters that neither has learned from"
    if measured.is_better:
        return (
            f"{gate.metric} is worse than that of {refresh.production.name} as served: {way} by {abs(worse_by):.4f}, "
            f"surely by {least:.4f} ({confidence}), more than the gate's margin {margin:.4g}, {where}"
        )
    return (
        f"{gate.metric} is not shown worse than that of {refresh.production.name} as served: {way} by "
        f"{abs(worse_by):.4f}, surely by {most:.4f} at most ({confidence}, margin {margin:.4g}), {where}; "
        f"would have seen a loss of {margin + measured.detectable:.4f} in 80 %"
    )
