"""Projects, their clocks, their processes and the server they ask."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from touchline.errors.base import TouchlineError, UsageError, nearest

__all__ = [
    "AddressUnusable",
    "ClockNotFrozen",
    "ClockRunsForward",
    "FolderMissing",
    "InvalidInstant",
    "InvalidProject",
    "InvalidProjectName",
    "InvalidRequestField",
    "NotAPair",
    "NothingNamed",
    "NothingToLearnFrom",
    "OptionUnused",
    "OverwritesItsInput",
    "PortTaken",
    "ProcessFailed",
    "ProjectExists",
    "ProjectNotFound",
    "ServerRefused",
    "ServerUnreachable",
    "TableFormatUnknown",
    "TargetNeverVaries",
    "TargetNotClasses",
    "TaskUnfit",
    "UnknownName",
]


class ProjectExists(UsageError):
    def __init__(self, name: str, file: object) -> None:
        super().__init__(
            f"Project {name!r} is there already: {file}. Choose another name, or delete that folder first."
        )


class InvalidProjectName(UsageError):
    def __init__(self, name: str) -> None:
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:48]
        hint = f" Such as {near!r}." if near else ""
        super().__init__(
            f"{name!r} cannot name a project: use a lower-case letter, then at most 47 letters, digits or '_'.{hint} "
            "Nothing was written."
        )


class NothingToLearnFrom(UsageError):
    """`left_out` says of each other column why it is no input."""

    def __init__(self, name: str, target: str, left_out: Mapping[str, str], notes: Sequence[str] = ()) -> None:
        reasons = "; ".join(f"{column}: {reason}" for column, reason in left_out.items())
        found = f" Left out: {reasons}." if reasons else f" {target!r} is the only column that was found."
        super().__init__(
            f"{name}: no column is left to predict {target!r} from.{found} Add columns to the file, or correct these "
            "(columns are separated by a comma, a semicolon, a tab or |)." + "".join(f" {note}." for note in notes)
        )


class TargetNotClasses(UsageError):
    def __init__(self, target: str, distinct: int, rows: int, examples: Sequence[str]) -> None:
        self.target, self.distinct, self.rows = target, distinct, rows
        super().__init__(
            f"Column {target!r} has {distinct} different texts in {rows} rows ({', '.join(map(repr, examples))}, …): "
            "too many for classes, and they are no numbers. Write numbers without units and suffixes, or merge the "
            "texts into classes; say --task classification if each is a class."
        )


class TargetNeverVaries(UsageError):
    def __init__(self, target: str, value: str | None, rows: int) -> None:
        self.target, self.value, self.rows = target, value, rows
        found = f"is {value!r} in all {rows} rows that have one" if rows else "has no value in any row"
        super().__init__(
            f"Column {target!r} {found}, so there is nothing to learn. Name another column with --target, "
            "or bring rows with two values or more."
        )


class TaskUnfit(UsageError):
    def __init__(self, target: str, task: str, kind: str, distinct: int) -> None:
        self.target, self.task = target, task
        needed = "numbers" if task == "regression" else "classes"
        super().__init__(
            f"Column {target!r} cannot be the target of a {task}, which predicts {needed}: it is of type {kind} with "
            f"{distinct} different values. Bring the column as {needed}, or name another --task or --target."
        )


class InvalidInstant(UsageError):
    def __init__(self, text: object, allowed: str) -> None:
        self.text, self.allowed = text, allowed
        super().__init__(f"{text!r} is no instant. Write {allowed}.")


class NotAPair(UsageError):
    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f'{text!r} is no NAME=VALUE. Write it with an equals sign, for example team="Schalke 04".')


class FolderMissing(UsageError):
    """A file cannot be written because its folder does not exist, or because a folder has its name."""

    def __init__(self, file: Path) -> None:
        self.file = file
        if file.is_dir():
            text = f"{file} is a folder. Name a file in it. Nothing was written."
        else:
            text = f"The folder {file.parent} of {file.name} does not exist. Make it first: mkdir -p {file.parent}"
        super().__init__(text)


class TableFormatUnknown(UsageError):
    """A table cannot be written under a name whose ending names no format."""

    def __init__(self, file: Path) -> None:
        self.file = file
        ending = f"ends in {file.suffix}" if file.suffix else "has no ending"
        super().__init__(
            f"{file} {ending}; tables are written as .csv or .parquet. Name it {file.with_suffix('.csv').name} or "
            f"{file.with_suffix('.parquet').name}. Nothing was written."
        )


class OverwritesItsInput(UsageError):
    def __init__(self, file: Path) -> None:
        self.file = file
        near = file.with_name(f"{file.stem}_predictions{file.suffix}").name
        super().__init__(f"{file} is the file that is read. Name another one to write, such as {near}.")


class OptionUnused(UsageError):
    """`reason` says why a value that a person gave would have no effect."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option} would have no effect: {reason}. Nothing was done.")


class NothingNamed(UsageError):
    def __init__(self, command: str, expected: str) -> None:
        super().__init__(f"`touchline {command}` needs {expected}. See: touchline {command} --help")


class UnknownName(UsageError):
    def __init__(self, kind: str, name: str, allowed: Collection[str]) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"There is no {kind} {name!r}. {nearest(name, allowed)}")


class ProjectNotFound(UsageError):
    def __init__(self, place: str, base: object, allowed: Collection[str]) -> None:
        self.place = place
        super().__init__(
            f"No project.py for {place!r} under {base} or {base}/projects. {nearest(place, allowed)} "
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
    def __init__(self, project: str, current: datetime, expected: datetime) -> None:
        super().__init__(
            f"{project}'s clock stands at {current:%Y-%m-%d %H:%M} UTC and cannot go back to "
            f"{expected:%Y-%m-%d %H:%M}: predictions and stages were recorded since. "
            "To start over, use another TOUCHLINE_HOME."
        )


class InvalidRequestField(UsageError):
    def __init__(self, field: str) -> None:
        super().__init__(f'{field!r} is no field of a request. Write name=value, for example home_team="Schalke 04".')


class ServerUnreachable(TouchlineError):
    def __init__(self, url: str) -> None:
        super().__init__(
            f"Nothing answers at {url}. Start the server: touchline up (or set TOUCHLINE_PORT to its port)."
        )


class ServerRefused(TouchlineError):
    """`needs_key` is true where the server asks for an API key, or for one with another role."""

    def __init__(self, url: str, status: int, body: str, *, needs_key: bool) -> None:
        self.status, self.needs_key = status, needs_key
        step = " Give the command a key: --key, or TOUCHLINE_API_KEY." if needs_key else ""
        super().__init__(f"{url} answered {status}: {_problem_text(body)}{step}")


def _problem_text(body: str) -> str:
    """A problem document as text: its detail, or each wrong field, the first on the first line, which alone is recorded
    of a run. Another body is cut to 1,000 signs.
    """
    try:
        problem = json.loads(body)
        lines = [_field_text(error) for error in problem.get("errors", [])]
        text = f"{problem.get('title', '')}: " + "\n  ".join(lines) if lines else problem["detail"]
    except (ValueError, AttributeError, KeyError, TypeError):
        return body[:1000]
    return str(text)


def _field_text(error: Mapping[str, Any]) -> str:
    actual = f" (it is {error['actual']!r})" if "actual" in error else ""
    allowed = f"; allowed: {error['allowed']}" if error.get("allowed") else ""
    return f"{error.get('field') or 'body'}: {error.get('problem', 'does not fit')}{actual}{allowed}"


class PortTaken(TouchlineError):
    def __init__(self, host: str, port: int, setting: str) -> None:
        self.port, self.setting = port, setting
        super().__init__(
            f"Port {port} on {host} is in use by another process. End that process, or choose another port: "
            f"{setting}={port + 1}"
        )


class AddressUnusable(UsageError):
    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host = host
        at = f"port {port} of {host}" if port else host
        super().__init__(
            f"No process of this machine can listen on {at}: {reason}. Set TOUCHLINE_HOST to an address of this "
            "machine, such as 127.0.0.1, or 0.0.0.0 for all of them, and the port to one that this user may use."
        )


class ProcessFailed(TouchlineError):
    def __init__(self, name: str, log: object, last_lines: str) -> None:
        self.name = name
        super().__init__(f"The {name} process did not become ready. The end of {log}:\n{last_lines}")
