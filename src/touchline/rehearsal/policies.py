"""The policies to rehearse: when to train, and who decides what goes live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pydantic import ValidationError

from touchline.errors import RehearsalRefused, nearest, without_error_kind
from touchline.project import Retrain
from touchline.rollout import Rollout
from touchline.training import Tune

if TYPE_CHECKING:
    from touchline.project import Project

Decisions = Literal["statistical", "naive"]

_NAMED: Final = {
    "never": Retrain(schedule=None),
    "weekly": Retrain(schedule="0 4 * * 1"),
    "drift": Retrain(schedule=None, on_drift=True),
    "degradation": Retrain(schedule=None, on_degradation=True),
}
_NAIVE: Final = "-naive"
_NOT_WORSE: Final = "-not-worse"


@dataclass(frozen=True)
class Policy:
    """When to train, and how a version goes live.

    `statistical`: the declared gates and `rollout` decide. `naive`: the version whose mean loss on its own test window
    is the lower one takes over at once.
    """

    name: str
    retrain: Retrain
    decisions: Decisions
    rollout: Rollout | None = None


def searched_every(project: Project, period: str | None) -> Project:
    """The project with this `Tune.every`; None leaves the declared one.

    Raises `RehearsalRefused` for a text that is no length of time.
    """
    if period is None:
        return project
    try:
        tune = Tune(**{**project.training.tune.model_dump(), "every": period})
    except ValidationError as wrong:
        fault = without_error_kind(wrong.errors()[0]["msg"])
        raise RehearsalRefused(project.name, f"--search-every: {fault}") from wrong
    return project.model_copy(update={"training": project.training.model_copy(update={"tune": tune})})


def find_policies(names: Sequence[str], project: Project) -> tuple[Policy, ...]:
    """The named policies, by default all but those with another rollout.

    `declared` is the project's own. Behind a name, `-naive` decides by means, and `-not-worse` has the declared rollout
    end once a version is shown to be not worse.
    """
    known = {**_NAMED, "declared": project.retrain}
    default = ["never", *(f"{name}{end}" for name in known if name != "never" for end in ("", _NAIVE))]
    allowed = [*default, *(f"{name}{_NOT_WORSE}" for name in known if name != "never")]
    policies = []
    for name in dict.fromkeys(names or default):
        if name not in allowed:
            raise RehearsalRefused(project.name, f"there is no policy {name!r}. {nearest(name, allowed)}")
        retrain = known[name.removesuffix(_NAIVE).removesuffix(_NOT_WORSE)]
        rollout = project.rollout
        if name.endswith(_NOT_WORSE):
            rollout = (rollout or Rollout()).model_copy(update={"needs": "not_worse"})
        policies.append(Policy(name, retrain, "naive" if name.endswith(_NAIVE) else "statistical", rollout))
    return tuple(policies)
