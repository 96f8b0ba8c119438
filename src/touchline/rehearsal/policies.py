"""The policies to rehearse: when to train, and who decides what goes live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pydantic import ValidationError

from touchline.errors import RehearsalRefused, nearest
from touchline.project import Retrain
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


@dataclass(frozen=True)
class Policy:
    """When to train, and how a version goes live.

    `statistical`: the declared gates and rollout decide. `naive`: the version whose mean loss on its own test window is
    the lower one takes over at once.
    """

    name: str
    retrain: Retrain
    decisions: Decisions


def searched_every(project: Project, period: str | None) -> Project:
    """The project with this `Tune.every`; None leaves the declared one.

    Raises `RehearsalRefused` for a text that is no length of time.
    """
    if period is None:
        return project
    try:
        tune = Tune(**{**project.training.tune.model_dump(), "every": period})
    except ValidationError as wrong:
        raise RehearsalRefused(project.name, f"--search-every: {wrong.errors()[0]['msg']}") from wrong
    return project.model_copy(update={"training": project.training.model_copy(update={"tune": tune})})


def find_policies(names: Sequence[str], project: Project) -> tuple[Policy, ...]:
    """The named policies, by default all; `declared` is the project's own, and `-naive` behind a name is naive."""
    known = {**_NAMED, "declared": project.retrain}
    allowed = ["never", *(f"{name}{end}" for name in known if name != "never" for end in ("", _NAIVE))]
    policies = []
    for name in dict.fromkeys(names or allowed):
        if name not in allowed:
            raise RehearsalRefused(project.name, f"there is no policy {name!r}. {nearest(name, allowed)}")
        retrain = known[name.removesuffix(_NAIVE)]
        policies.append(Policy(name, retrain, "naive" if name.endswith(_NAIVE) else "statistical"))
    return tuple(policies)
