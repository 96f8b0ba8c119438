"""Every error touchline raises on purpose.

    TouchlineError
    ├── UsageError                 the person's input is wrong (exit code 2)
    │   ├── InvalidSetting
    │   ├── InvalidProject, ProjectNotFound
    │   ├── ClockNotFrozen, ClockRunsForward
    │   ├── UnknownPlugin
    │   └── MissingDependency
    └── …

A message says what happened to which thing, the value found and the value allowed, and the next step.
It is built in the class, so that every call site raises the same words; the facts stay as attributes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from difflib import get_close_matches


def nearest(name: str, known: Collection[str]) -> str:
    """A sentence that points to the nearest valid name, or lists the valid ones."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(sorted(known)) or 'none'}."


class TouchlineError(Exception):
    """Base of every error touchline raises on purpose."""


class UsageError(TouchlineError):
    """The person's input is wrong; running it again unchanged fails again."""


# --- settings and plugins -------------------------------------------------------------------------


class InvalidSetting(UsageError):
    def __init__(self, variable: str, found: str, reason: str) -> None:
        self.variable = variable
        super().__init__(f"Setting {variable} is {found}: {reason}. Change it in the environment.")

    @classmethod
    def unknown(cls, variable: str, known: Collection[str]) -> InvalidSetting:
        return cls(variable, "not a setting", nearest(variable, known).rstrip("."))


class UnknownPlugin(UsageError):
    def __init__(self, group: str, name: str, installed: Sequence[str]) -> None:
        self.group, self.name = group, name
        super().__init__(f"No backend {name!r} is installed for {group}. {nearest(name, installed)}")


class MissingDependency(UsageError):
    def __init__(self, what: str, module: str, extras: Sequence[str]) -> None:
        self.module = module
        extra = f"touchline[{','.join(extras)}]" if extras else module
        super().__init__(f"{what} needs the module {module!r}, which is not installed. Install it: pip install '{extra}'")


# --- storage --------------------------------------------------------------------------------------

# --- contracts and ingest -------------------------------------------------------------------------

# --- features -------------------------------------------------------------------------------------

# --- training -------------------------------------------------------------------------------------

# --- registry -------------------------------------------------------------------------------------

# --- serving --------------------------------------------------------------------------------------

# --- monitoring -----------------------------------------------------------------------------------

# --- project and automation -----------------------------------------------------------------------


class ProjectNotFound(UsageError):
    def __init__(self, place: str, base: object, known: Collection[str]) -> None:
        self.place = place
        super().__init__(
            f"No project.py for {place!r} under {base} or {base}/projects. {nearest(place, known)} "
            f"Make one: touchline init NAME --from data.csv --target COLUMN"
        )


class InvalidProject(UsageError):
    def __init__(self, file: object, line: int | None, what: str, next_step: str) -> None:
        self.file, self.line = file, line
        where = f"{file}:{line}" if line else str(file)
        super().__init__(f"{where}: {what}. {next_step}")


class ClockNotFrozen(UsageError):
    def __init__(self, project: str) -> None:
        super().__init__(
            f"{project} runs on the system's time, which cannot be advanced. "
            f"Only a project that declares clock=SampleClock(at=...) has a clock to move."
        )


class ClockRunsForward(UsageError):
    def __init__(self, project: str, current: datetime, wanted: datetime) -> None:
        super().__init__(
            f"{project}'s clock stands at {current:%Y-%m-%d %H:%M} UTC and cannot go back to {wanted:%Y-%m-%d %H:%M}: "
            f"predictions and stages were recorded since. To start over, use another TOUCHLINE_HOME."
        )
