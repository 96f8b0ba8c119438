"""Check one window of new rows against the reference: a verdict for each column, and one over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from math import comb
from typing import Any, Literal

import numpy as np

from touchline.errors import DriftColumnUnknown
from touchline.monitoring.current import MAX_ROWS, CurrentRows, Window
from touchline.monitoring.spec import Drift
from touchline.statistics import (
    ColumnDrift,
    NumberColumn,
    Profile,
    benjamini_hochberg,
    check_columns,
    inflation_of,
)
from touchline.storage.ulids import ulid_instant

State = Literal["not_enough_data", "stable", "watch", "drift"]
# Columns that a message names. It counts the others; all are in the verdict.
_NAMED_COLUMNS = 3
_NULL_SHARE_WORTH_TELLING = 0.005
_POWER = 0.8
# A window of so few clusters is among few ways to choose as many from all.
_FEW_CLUSTERS = 2
# Mann-Whitney and Kolmogorov-Smirnov, combined by Simes.
_TESTS_OF_A_NUMBER = 2


@dataclass(frozen=True, kw_only=True)
class ColumnVerdict(ColumnDrift):
    """One column of one window: `differs` now, for `streak` windows in a row, and whether that is drift."""

    differs: bool
    streak: int
    drifted: bool

    @property
    def facts(self) -> str:
        """The plain changes beside the tests: nulls, levels and numbers that the reference lacks; empty without any."""
        every = self.rows + self.nulls
        facts = []
        if self.differs and abs(self.nulls / every - self.reference_nulls) >= _NULL_SHARE_WORTH_TELLING:
            facts.append(f"missing {self.reference_nulls:.1%} → {self.nulls / every:.1%}")
        if self.new_levels:
            facts.append(f"{self.new_levels} of {every} rows with a level that is not in the reference")
        if self.out_of_range:
            facts.append(f"{self.out_of_range} of {every} rows outside of the range of the reference")
        return ", ".join(facts)


@dataclass(frozen=True)
class DriftVerdict:
    """The result of a check of `rows` rows, the last prediction of each example in the window.

    `missing` is the number of rows that the window still needs for a verdict, `answers` the number of all predictions
    of the window that were in the log: `repeats` are about an example that a later one is about, `left_out` are the
    oldest above the limit of a check. `reference_rows` counts the rows behind the reference. These are None in verdicts
    that did not store them.

    `detectable_shift` is the power of the check: the shift of one number column, in standard deviations, that differs
    in about 80 % of windows of this size. None where rows are tested in clusters.
    """

    at: datetime
    state: State
    window: Window
    rows: int
    missing: int
    message: str
    columns: tuple[ColumnVerdict, ...] = field(default=())
    answers: int | None = None
    repeats: int | None = None
    left_out: int | None = None
    reference_rows: int | None = None
    detectable_shift: float | None = None

    @property
    def has_enough_rows(self) -> bool:
        return self.state != "not_enough_data"

    @property
    def drifted(self) -> tuple[ColumnVerdict, ...]:
        return tuple(column for column in self.columns if column.drifted)

    def to_json(self) -> dict[str, Any]:
        """The document that `drift_reports` stores."""
        return {**asdict(self), "at": self.at.isoformat(), "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> DriftVerdict:
        return cls(
            **{
                **stored,
                "at": datetime.fromisoformat(stored["at"]),
                "window": Window(**stored["window"]),
                "columns": tuple(ColumnVerdict(**column) for column in stored["columns"]),
            }
        )


def check_drift(
    profile: Profile,
    current: CurrentRows,
    *,
    project: str,
    rule: Drift,
    now: datetime,
    previous: DriftVerdict | None = None,
) -> DriftVerdict:
    """Compare one window of rows, encoded and ordered as the profile's columns, with the reference.

    `previous` is the last verdict with enough rows on the same profile. A column's streak goes on only if this window
    is later and shares no row with it. Raises `DriftColumnUnknown` for a rule that names a column the profile lacks.
    """
    rows, window = len(current.matrix), current.window
    watched = _watched(profile, rule)
    if rows < rule.min_rows:
        missing = rule.min_rows - rows
        since = "since the last checked window" if window.after else "so far"
        message = (
            f"Not enough data: {rows} of {rule.min_rows} rows {since}. "
            f"{missing} more are needed; these rows stay in the window."
        )
        verdict = DriftVerdict(now, "not_enough_data", window, rows, missing, message)
        return _with_counts(verdict, current, profile)
    checked = check_columns(profile, current.matrix, current.clusters)
    columns = _verdicts([column for column in checked if column.name in watched], rule, _streaks(previous, window))
    state: State = "stable"
    if any(column.differs for column in columns):
        state = "drift" if any(column.drifted for column in columns) else "watch"
    shift = None if current.clusters is not None else _detectable_shift(profile, rule, rows, len(columns))
    power, limits = _power_sentence(shift), _clusters_sentence(current, profile, rule)
    message = _message(state, columns, rule, rows, project) + power + limits
    verdict = DriftVerdict(now, state, window, rows, 0, message, columns, detectable_shift=shift)
    return _with_counts(verdict, current, profile)


def _detectable_shift(profile: Profile, rule: Drift, rows: int, columns: int) -> float | None:
    """The shift of a normal column of median dependence that a Mann-Whitney test finds, or the PSI floor if larger.

    The relative efficiency of Mann-Whitney under a normal distribution is 3 / pi. PSI of a shift d is d².
    """
    from scipy.stats import norm

    numbers = [column for column in profile.columns if isinstance(column, NumberColumn)]
    if not numbers:
        return None
    factor = float(np.median([inflation_of(profile, column.inflation, rows).factor for column in numbers]))
    variance = factor * (1 / rows + 1 / len(profile.sample)) * np.pi / 3
    limit = norm.isf(rule.alpha / max(1, columns) / _TESTS_OF_A_NUMBER / 2)
    return float(max((limit + norm.ppf(_POWER)) * np.sqrt(variance), np.sqrt(rule.psi_floor)))


def _power_sentence(shift: float | None) -> str:
    return (
        ""
        if shift is None
        else f" A window of this size finds a shift of {shift:.2g} standard deviations in about 80 %."
    )


def _clusters_sentence(current: CurrentRows, profile: Profile, rule: Drift) -> str:
    """What so few clusters cannot show; empty for more, and without clusters."""
    count = len(set(current.clusters or ()))
    # Without three clusters of the reference there is no t test, and no p-value below that of the rarest dealing.
    if count and profile.clusters <= _FEW_CLUSTERS and comb(profile.clusters + count, count) * rule.alpha < 1:
        reference = f"{profile.clusters} cluster{'s' if profile.clusters > 1 else ''}"
        return f" The reference has {reference}, too few to show any change; a longer test window in training has more."
    if not 0 < count <= _FEW_CLUSTERS:
        return ""
    clusters = "1 cluster (such as a day)" if count == 1 else f"{count} clusters (such as days)"
    return f" The rows are of {clusters}: that shows a moved level and nulls; other changes need a larger min_rows."


def explain_verdict(verdict: DriftVerdict, rule: Drift) -> list[str]:
    """The meaning of each number of a verdict: its rows, its window, its reference, the columns of its table."""
    after, until = verdict.window.after, verdict.window.until
    since = f"after {ulid_instant(after):%Y-%m-%d %H:%M:%S} UTC" if after else "since its first one"
    to = f", up to {ulid_instant(until):%Y-%m-%d %H:%M:%S} UTC" if until > after else ""
    lines = [
        f"window: the predictions of this release that are in the log {since}{to} (time of the response); a check with "
        "enough rows ends its window, and the next one starts there"
    ]
    if verdict.answers is not None:
        dropped = [f"{verdict.repeats} that a later prediction of the same example replaces"] if verdict.repeats else []
        dropped += (
            [f"the oldest {verdict.left_out}, since a check reads {MAX_ROWS} at most"] if verdict.left_out else []
        )
        without = f" without {' and '.join(dropped)}" if dropped else ""
        lines.append(f"rows: {verdict.rows}, one for each example, of {verdict.answers} predictions{without}")
    if verdict.reference_rows is not None:
        lines.append(f"reference: the {verdict.reference_rows} test rows of the training of this release")
    if verdict.columns:
        lines += [
            f"p (adjusted): chance of such a difference without drift, corrected over the {len(verdict.columns)} "
            f"checked columns; PSI: size of the difference. A column differs where p is at most {rule.alpha:g} and "
            f"PSI at least {rule.psi_floor:g}",
            "Wasserstein: distance of the two distributions, for numbers in standard deviations of the reference, for "
            "categories the share of rows that would have to change their level",
            f"windows: windows in a row in which the column differs; it has drifted from {rule.windows} on",
        ]
    return lines


def _with_counts(verdict: DriftVerdict, current: CurrentRows, profile: Profile) -> DriftVerdict:
    return replace(
        verdict,
        answers=current.answers,
        repeats=current.repeats,
        left_out=current.left_out,
        reference_rows=profile.rows,
    )


def _watched(profile: Profile, rule: Drift) -> set[str]:
    names = [column.name for column in profile.columns]
    for name in (*rule.columns, *rule.ignore):
        if name not in names:
            raise DriftColumnUnknown(name, names)
    return set(rule.columns or names) - set(rule.ignore)


def _streaks(previous: DriftVerdict | None, window: Window) -> dict[str, int]:
    if previous is None or not previous.has_enough_rows or not window.follows(previous.window):
        return {}
    return {column.name: column.streak for column in previous.columns}


def _verdicts(columns: Sequence[ColumnDrift], rule: Drift, streaks: Mapping[str, int]) -> tuple[ColumnVerdict, ...]:
    """The p-values are corrected over the watched columns alone: ignored columns have no influence."""
    adjusted = benjamini_hochberg([column.p_value for column in columns])
    verdicts = []
    for column, p_adjusted in zip(columns, adjusted, strict=True):
        differs = bool(p_adjusted <= rule.alpha and column.psi >= rule.psi_floor)
        streak = streaks.get(column.name, 0) + 1 if differs else 0
        measured = {**asdict(column), "p_adjusted": float(p_adjusted)}
        verdicts.append(ColumnVerdict(**measured, differs=differs, streak=streak, drifted=streak >= rule.windows))
    return tuple(verdicts)


def _message(state: State, columns: Sequence[ColumnVerdict], rule: Drift, rows: int, project: str) -> str:
    if state == "stable":
        return f"No drift: none of {len(columns)} columns differs on {rows} rows. Nothing to do."
    different = [column for column in columns if (column.drifted if state == "drift" else column.differs)]
    worst = sorted(different, key=lambda column: -column.psi)
    named = ", ".join(_named(column) for column in worst[:_NAMED_COLUMNS])
    more = f" and {len(worst) - _NAMED_COLUMNS} more" if len(worst) > _NAMED_COLUMNS else ""
    if state == "watch":
        return (
            f"{len(worst)} of {len(columns)} columns differ on {rows} rows: {named}{more}. It is drift after "
            f"{rule.windows} windows in a row, this is {max(c.streak for c in worst)}. Nothing to do yet."
        )
    often = f" in {rule.windows} or more windows in a row, now" if rule.windows > 1 else ""
    return (
        f"Drift: {len(worst)} of {len(columns)} columns differ{often} on {rows} rows: {named}{more}. See whether a "
        f"source changed (touchline data log -p {project}); if the world did, train again "
        f"(touchline retrain -p {project})."
    )


def _named(column: ColumnVerdict) -> str:
    facts = f"; {column.facts}" if column.facts else ""
    return f"{column.name} (PSI {column.psi:.2f}, p {column.p_adjusted:.2g}{facts})"
