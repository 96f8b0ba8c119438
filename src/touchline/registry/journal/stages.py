"""Stages, what people call a version, and the state that a row of stage changes adds up to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

Stage = Literal["None", "Staging", "Production", "Archived"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)

_URI = re.compile(r"models:/(?P<name>[^/@]+)[/@](?P<rest>[^/@]+)")
_NUMBER = re.compile(r"v?(\d+)")
_SEMANTIC = re.compile(r"v?(\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class Reference:
    """A reference to a version as a person writes it: a number, a semantic version, a stage, `rollback` or `latest`."""

    kind: Literal["version", "semantic", "stage", "rollback", "latest", "unknown"]
    value: str
    project: str | None = None


def parse_reference(text: str) -> Reference:
    """Every spelling people use, the old stage URIs of MLflow included.

    >>> parse_reference("models:/football/Production")
    Reference(kind='stage', value='Production', project='football')
    >>> parse_reference("models:/football@staging").value, parse_reference("v7").value
    ('Staging', '7')
    """
    uri = _URI.fullmatch(text.strip())
    project, rest = (uri["name"], uri["rest"]) if uri else (None, text.strip())
    if number := _NUMBER.fullmatch(rest):
        return Reference("version", number[1], project)
    if semantic := _SEMANTIC.fullmatch(rest):
        return Reference("semantic", semantic[1], project)
    if rest.lower() in ("rollback", "latest"):
        return Reference("rollback" if rest.lower() == "rollback" else "latest", rest.lower(), project)
    if rest.capitalize() in STAGES:
        return Reference("stage", rest.capitalize(), project)
    return Reference("unknown", rest, project)


@dataclass(frozen=True)
class StageChange:
    """One entry of the journal."""

    project: str
    sequence: int
    version: int
    from_stage: Stage
    to_stage: Stage
    at: datetime
    wall_at: datetime
    actor: str
    reason: str
    ticket: str | None = None
    gate_report: dict[str, Any] | None = None
    release_id: str | None = None

    def describe(self) -> str:
        """The change in words."""
        return f"version {self.version} from {self.from_stage} to {self.to_stage} at {self.at:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class StageState:
    """Which version stands where, as of one entry of the journal. `tickets` are the newest of each version."""

    sequence: int = 0
    stages: dict[int, Stage] = field(default_factory=dict)
    releases: dict[int, str] = field(default_factory=dict)
    productions: tuple[int, ...] = ()
    tickets: dict[int, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Where the versions stand, in words.

        >>> StageState(stages={1: "Archived", 2: "Production", 3: "Staging"}, productions=(1, 2)).sentence
        'Version 2 is in Production, version 3 waits in Staging; a rollback returns to version 1.'
        """
        if self.production is None:
            return "Nothing is in Production." + (f" Version {self.staging} waits in Staging." if self.staging else "")
        waits = f", version {self.staging} waits in Staging" if self.staging is not None else ""
        back = (
            "there is nothing to roll back to"
            if self.rollback is None
            else (f"a rollback returns to version {self.rollback}")
        )
        return f"Version {self.production} is in Production{waits}; {back}."

    def stage(self, version: int) -> Stage:
        return self.stages.get(version, "None")

    def _only(self, stage: Stage) -> int | None:
        return next((version for version, found in self.stages.items() if found == stage), None)

    @property
    def production(self) -> int | None:
        return self._only("Production")

    @property
    def staging(self) -> int | None:
        return self._only("Staging")

    @property
    def rollback(self) -> int | None:
        """The version that `models rollback` returns to."""
        before = self.productions[:-1] if self.production is not None else self.productions
        return before[-1] if before else None


def state_after(changes: Iterable[StageChange], before: StageState = StageState()) -> StageState:
    """The stage of each version after all changes, in order of sequence; `before` is the state that they begin with.

    Versions in Production form a stack: a promotion pushes, a rollback (Archived to Production in one
    step) and a demotion pop. So a second rollback goes further back, never to the version that was just
    found bad. In a step the version that enters Production is written before the one that leaves it.
    """
    stages, releases, tickets = dict(before.stages), dict(before.releases), dict(before.tickets)
    stack, sequence = list(before.productions), before.sequence
    for change in changes:
        sequence, version = change.sequence, change.version
        stages[version] = change.to_stage
        if change.release_id:
            releases[version] = change.release_id
        if change.ticket:
            tickets[version] = change.ticket
        if change.to_stage == "Production" and change.from_stage == "Archived" and version in stack:
            stack = stack[: stack.index(version) + 1]
        elif change.to_stage == "Production" and change.from_stage != "Production":
            stack = [earlier for earlier in stack if earlier != version] + [version]
        elif change.from_stage == "Production" and change.to_stage != "Production" and stack[-1:] == [version]:
            stack = stack[:-1]
    return StageState(sequence, stages, releases, tuple(stack), tickets)
