"""The playbooks of `touchline doctor`: what is wrong, why, and the next command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.engine import make_url

from touchline import automation
from touchline.cli.processes import supervisor
from touchline.cli.processes.check_result import CheckResult
from touchline.cli.server_client import api_url, request_json
from touchline.errors import ServerRefused, ServerUnreachable
from touchline.storage import find_lock
from touchline.storage.disk_failures import is_disk_full

if TYPE_CHECKING:
    from touchline.automation import PipelineContext
    from touchline.cli.opening import Home

_LITTLE_SPACE_BYTES: Final = 1_000_000_000
# Below this the server refuses the prediction log its next rows.
_NO_SPACE_BYTES: Final = 20_000_000


def disk_result(folder: Path, free_bytes: int) -> CheckResult:
    """Whether the disk of the home has room for what comes next."""
    text = f"{folder}, {free_bytes / 1e9:.1f} GB free"
    if free_bytes > _LITTLE_SPACE_BYTES:
        return CheckResult("ok", "home", text)
    step = "delete what nothing refers to any more: touchline data prune --keep-days 7 --delete"
    if free_bytes > _NO_SPACE_BYTES:
        return CheckResult("note", "home", f"{text}, which a training may use up; {step}")
    happened = f"{folder}: the disk is full ({free_bytes / 1e6:.0f} MB free)"
    return CheckResult("wrong", "home", f"{happened}: nothing can be ingested, trained or logged; {step}")


def unwritable_home(folder: Path, error: OSError) -> CheckResult:
    """What to do where the home takes not even a few bytes."""
    step = "set TOUCHLINE_HOME to a writable folder"
    if is_disk_full(error):
        step = "delete or move something else first: with no byte left, no command runs, touchline data prune neither"
    return CheckResult("wrong", "home", f"{folder}: {error.strerror}; {step}")


def locked_database(home: Home) -> Iterator[CheckResult]:
    """The process that holds the write lock of the embedded database, where one does for long."""
    url = make_url(home.settings.database)
    holder = find_lock(Path(url.database)) if url.get_backend_name() == "sqlite" and url.database else None
    if holder is not None:
        step = "wait for its end, or end it; then run the command again. Reading goes on meanwhile"
        yield CheckResult("wrong", "database", f"locked by {holder}: nobody else can write; {step}")


def playbooks(home: Home, context: PipelineContext) -> Iterator[CheckResult]:
    """What the records of a project and its running server show."""
    yield from _served_release(home, context)
    for symptom in automation.find_symptoms(context.project, context.stores):
        text = f"{symptom.happened.rstrip('.')}. Next: {symptom.next_command}"
        yield CheckResult("wrong" if symptom.is_wrong else "note", f"{context.project.name}: {symptom.subject}", text)


def _served_release(home: Home, context: PipelineContext) -> Iterator[CheckResult]:
    """A server that answers by another release than the journal has in Production."""
    name, state = context.project.name, context.stores.journal.state(context.project.name)
    if state.production is None or supervisor.running(home.settings.home) is None:
        return
    try:
        info = request_json(f"{api_url(home)}/projects/{name}/model-info", api_key=home.settings.api_key)
    except (ServerRefused, ServerUnreachable) as failure:
        needs_key = isinstance(failure, ServerRefused) and failure.needs_key
        step = "" if needs_key else ". Next: touchline logs; touchline stop; touchline up"
        text = f"the server did not say what it serves: {str(failure).rstrip('.')}{step}"
        yield CheckResult("note" if needs_key else "wrong", f"{name}: release", text)
        return
    served, expected = info["release"], state.releases.get(state.production)
    if served != expected:
        reason = info.get("refused", {}).get("reason") or info.get("unreachable") or "it has not loaded the new one"
        happened = f"the server answers by {served}, and {expected} is in Production: {reason}"
        yield CheckResult("wrong", f"{name}: release", f"{happened}. Next: touchline doctor --repair; touchline logs")
