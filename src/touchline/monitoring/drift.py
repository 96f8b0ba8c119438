"""Judge one window of new rows: a verdict per column, and one over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from touchline.errors import DriftColumnUnknown
from touchline.monitoring.current import CurrentRows, Window
from touchline.monitoring.spec import Drift
from touchline.statistics import ColumnDrift, Profile, benjamini_hochberg, check_columns

State = Literal["not_enough_data", "stable", "watch", "drift"]
# Columns that a message names; the rest is a number, and all of them are in the verdict.
_NAMED = 3


@dataclass(frozen=True)
class ColumnVerdict(ColumnDrift):
    """One column of one window: `differs` now, for `streak` windows in a row, and whether that is drift."""

    differs: bool
    streak: int
    drifted: bool


@dataclass(frozen=True)
class DriftVerdict:
    """What a check found. `missing` counts the rows still to come before a window can be judged, `answers` all that
    was in the log of this window then (None in verdicts of before this was kept).
    """

    at: datetime
    state: State
    window: Window
    rows: int
    missing: int
    message: str
    columns: tuple[ColumnVerdict, ...] = field(default=())
    answers: int | None = None

    @property
    def is_judged(self) -> bool:
        return self.state != "not_enough_data"

    @property
    def drifted(self) -> tuple[ColumnVerdict, ...]:
        return tuple(column for column in self.columns if column.drifted)

    def to_json(self) -> dict[str, Any]:
        """As `drift_reports` keeps it."""
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
    profile: Profile, current: CurrentRows, *, rule: Drift, now: datetime, previous: DriftVerdict | None = None
) -> DriftVerdict:
    """Compare one window of rows, encoded and ordered as the profile's columns, with the reference.

    `previous` is the last judged verdict on the same profile; a column's streak goes on only if this window follows
    that one without sharing rows. Raises `DriftColumnUnknown` for a rule that names no column of the profile.
    """
    rows, window = len(current.matrix), current.window
    watched = _watched(profile, rule)
    if rows < rule.min_rows:
        missing = rule.min_rows - rows
        message = (
            f"Not enough data: {rows} of {rule.min_rows} rows since the last judged window. "
            f"{missing} more are needed; what is here is kept and pooled with them."
        )
        return DriftVerdict(now, "not_enough_data", window, rows, missing, message, answers=current.answers)
    checked = check_columns(profile, current.matrix, current.clusters)
    columns = _judged([column for column in checked if column.name in watched], rule, _streaks(previous, window))
    state: State = "stable"
    if any(column.differs for column in columns):
        state = "drift" if any(column.drifted for column in columns) else "watch"
    message = _message(state, columns, rule, rows)
    return DriftVerdict(now, state, window, rows, 0, message, columns, current.answers)


def _watched(profile: Profile, rule: Drift) -> set[str]:
    known = [column.name for column in profile.columns]
    for name in (*rule.columns, *rule.ignore):
        if name not in known:
            raise DriftColumnUnknown(name, known)
    return set(rule.columns or known) - set(rule.ignore)


def _streaks(previous: DriftVerdict | None, window: Window) -> dict[str, int]:
    if previous is None or not previous.is_judged or not window.follows(previous.window):
        return {}
    return {column.name: column.streak for column in previous.columns}


def _judged(found: Sequence[ColumnDrift], rule: Drift, streaks: Mapping[str, int]) -> tuple[ColumnVerdict, ...]:
    """Correct over the watched columns alone: those left out neither help nor hurt."""
    adjusted = benjamini_hochberg([column.p_value for column in found])
    judged = []
    for column, p_adjusted in zip(found, adjusted, strict=True):
        differs = bool(p_adjusted <= rule.alpha and column.psi >= rule.psi_floor)
        streak = streaks.get(column.name, 0) + 1 if differs else 0
        measured = {**asdict(column), "p_adjusted": float(p_adjusted)}
        judged.append(ColumnVerdict(**measured, differs=differs, streak=streak, drifted=streak >= rule.windows))
    return tuple(judged)


def _message(state: State, columns: Sequence[ColumnVerdict], rule: Drift, rows: int) -> str:
    if state == "stable":
        return f"No drift: none of {len(columns)} columns differs on {rows} rows. Nothing to do."
    chosen = [column for column in columns if (column.drifted if state == "drift" else column.differs)]
    worst = sorted(chosen, key=lambda column: -column.psi)
    named = ", ".join(f"{c.name} (PSI {c.psi:.2f}, p {c.p_adjusted:.2g})" for c in worst[:_NAMED])
    more = f" and {len(worst) - _NAMED} more" if len(worst) > _NAMED else ""
    if state == "watch":
        return (
            f"{len(worst)} of {len(columns)} columns differ on {rows} rows: {named}{more}. It is drift after "
            f"{rule.windows} windows in a row, this is {max(c.streak for c in worst)}. Nothing to do yet."
        )
    return (
        f"Drift: {len(worst)} of {len(columns)} columns differ in {rule.windows} or more windows in a row, now on "
        f"{rows} rows: {named}{more}. See whether a source changed (touchline data diff); if the world did, "
        f"train again (touchline retrain)."
    )
