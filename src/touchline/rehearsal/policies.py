"""The policies to rehearse: when to train, and who decides what goes live; and what is due at a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from touchline.errors import RehearsalRefused, nearest
from touchline.project.spec import Retrain

if TYPE_CHECKING:
    from touchline.project import Project

Decisions = Literal["statistical", "naive"]

_NAMED: Final = {
    "never": Retrain(),
    "weekly": Retrain(schedule="0 4 * * 1"),
    "drift": Retrain(on_drift=True),
    "degradation": Retrain(on_degradation=True),
}
_NAIVE: Final = "-naive"
# A finding that a training has answered starts no other one before this time has passed.
COOL_DOWN: Final = timedelta(days=28)


@dataclass(frozen=True)
class Policy:
    """When to train, and how a version goes live.

    `statistical`: the declared gates and rollout decide. `naive`: the version whose mean loss on its own test window is
    the lower one takes over at once.
    """

    name: str
    retrain: Retrain
    decisions: Decisions


def find_policies(names: Sequence[str], project: Project) -> tuple[Policy, ...]:
    """The named policies, by default all; `declared` is the project's own, and `-naive` behind a name is naive."""
    known = {**_NAMED, "declared": project.retrain}
    allowed = ["never", *(f"{name}{end}" for name in known if name != "never" for end in ("", _NAIVE))]
    policies = []
    for name in dict.fromkeys(names or allowed):
        if name not in allowed:
            raise RehearsalRefused(project.name, f"there is no policy {name!r}. {nearest(name, allowed)}")
        retrain = known[name.removesuffix(_NAIVE)]
        _validate_schedule(project.name, name, retrain)
        policies.append(Policy(name, retrain, "naive" if name.endswith(_NAIVE) else "statistical"))
    return tuple(policies)


def _validate_schedule(project: str, name: str, retrain: Retrain) -> None:
    """Steps are days or weeks: a schedule by day of the month or by month would be rehearsed wrongly."""
    if retrain.schedule is not None and retrain.schedule.split()[2:4] != ["*", "*"]:
        raise RehearsalRefused(
            project,
            f"the schedule {retrain.schedule!r} of policy {name!r} names days of the month or months, and a rehearsal "
            "knows days of the week only. Rehearse a weekly or daily schedule, or another policy with --policy",
        )


@dataclass(frozen=True)
class Monitored:
    """What monitoring knows at a step. `trained_at` is None before the first training."""

    trained_at: datetime | None
    has_drifted: bool = False
    is_degraded: bool = False
    has_new_data: bool = False


def due_reasons(retrain: Retrain, monitored: Monitored, *, now: datetime) -> tuple[str, ...]:
    """Why a training is due at a step, in words of triggers; none where none is."""
    if monitored.trained_at is None:
        return ("first",)
    age = now - monitored.trained_at
    is_cool = age >= COOL_DOWN
    reasons = {
        "schedule": is_scheduled(retrain, age) and _condition_holds(retrain, monitored),
        "drift": retrain.on_drift and monitored.has_drifted and is_cool,
        "degradation": retrain.on_degradation and monitored.is_degraded and is_cool,
        "new_data": retrain.on_new_data and monitored.has_new_data,
        "age": retrain.max_age is not None and age >= retrain.max_age,
    }
    return tuple(name for name, holds in reasons.items() if holds)


def is_scheduled(retrain: Retrain, age: timedelta) -> bool:
    """Whether the schedule is due at a step: after a week where it names a day of the week, else at every step."""
    if retrain.schedule is None:
        return False
    return retrain.schedule.split()[4] == "*" or age >= timedelta(days=6, hours=23)


def _condition_holds(retrain: Retrain, monitored: Monitored) -> bool:
    conditions = {None: True, "drift": monitored.has_drifted, "new_data": monitored.has_new_data}
    return conditions[retrain.only_if]
