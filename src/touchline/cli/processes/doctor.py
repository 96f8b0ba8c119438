"""The checks of `touchline doctor`, and the repairs of `touchline doctor --repair`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from touchline import automation
from touchline import project as projects
from touchline.backup import open_place, read_record
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.cli.processes import supervisor
from touchline.cli.processes.alerting import start_delivery
from touchline.cli.processes.backend_checks import database_checks, object_checks, online_checks
from touchline.cli.processes.check_result import CheckResult
from touchline.cli.processes.playbooks import disk_result, locked_database, playbooks, unwritable_home
from touchline.cli.processes.ports import require_free
from touchline.clock import SystemClock
from touchline.errors import AddressUnusable, PortTaken, TouchlineError
from touchline.ingest import all_snapshots

if TYPE_CHECKING:
    from touchline.automation import Damage, PipelineContext

_SUPPORTED = ((3, 11), (3, 13))
_PROBE_BYTES = 1_000_000
_OLD_BACKUP = timedelta(hours=49)  # one that was missed is no fault yet


def examine(home: Home, places: Sequence[str] = (), *, repairs: bool = False) -> list[CheckResult]:
    """Check everything that a command needs, each finding with the next step; with `repairs`, rebuild what can be.

    `places` names the projects to look at; default: all of the home.
    """
    found = [_python(), *_folder(home), *_lost_database(home, repairs=repairs)]
    if not any(result.mark == "wrong" for result in found):
        found += [*locked_database(home)] or database_checks(home)
    if any(result.mark == "wrong" for result in found):
        is_home_usable = not any(result.mark == "wrong" for result in found if result.what == "home")
        others = [*online_checks(home), *object_checks(home)] if is_home_usable else []
        return [*found, *others, *_ports(home)]
    projects_found = list(_projects(home, places, repairs=repairs))  # a repair may make the online store readable
    return [*found, *online_checks(home), *object_checks(home), *_backup(home), *projects_found, *_ports(home)]


def _python() -> CheckResult:
    version = sys.version_info[:2]
    is_supported = _SUPPORTED[0] <= version <= _SUPPORTED[1]
    return CheckResult(
        "ok" if is_supported else "wrong", "Python", f"{version[0]}.{version[1]} (3.11 to 3.13 are supported)"
    )


def _folder(home: Home) -> Iterator[CheckResult]:
    folder = home.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield unwritable_home(folder, error)
        return
    yield disk_result(folder, free)


def _lost_database(home: Home, *, repairs: bool) -> Iterator[CheckResult]:
    lost = home.lost_database
    if lost is None:
        return
    if not repairs:
        yield CheckResult("wrong", "database", str(lost))
        return
    home.begin_database()
    text = "a new one was begun. Predictions, outcomes and API keys are lost; make keys again: touchline keys make"
    yield CheckResult("note", "database", text)


def _backup(home: Home) -> Iterator[CheckResult]:
    """How old the newest backup is, and whether the place of the settings has it."""
    settings = home.settings
    try:
        record = read_record(home.objects)
        if settings.backup_to is None:
            if record is None:
                yield CheckResult("note", "backup", "there is none yet: set TOUCHLINE_BACKUP_TO, see docs/backup.md")
            return
        names = open_place(settings.backup_to, password=settings.backup_password).names()
    except TouchlineError as failure:
        yield CheckResult("wrong", "backup", str(failure))
        return
    if record is None or record.name not in names:
        yield CheckResult("wrong", "backup", f"{settings.backup_to} has no set of this home: touchline backup create")
        return
    age = SystemClock().wall() - record.created_at
    is_old = age > _OLD_BACKUP
    hours = f"the newest set {record.name} is {age.total_seconds() / 3600:.0f} hours old"
    yield CheckResult(
        "wrong" if is_old else "ok", "backup", hours + (": look into the scheduler's log" if is_old else "")
    )


def _projects(home: Home, places: Sequence[str], *, repairs: bool) -> Iterator[CheckResult]:
    try:
        folders = projects.find_projects([*places] or home.settings.projects, base=home.base)
    except TouchlineError as error:
        yield CheckResult("wrong", "projects", str(error))
        return
    if not folders:
        yield CheckResult(
            "note", "projects", "none here; write one: touchline init NAME --from data.csv --target COLUMN"
        )
    for folder in folders:
        try:
            loaded = projects.load_project(folder, base=home.base)
        except TouchlineError as error:
            yield CheckResult("wrong", f"project {folder.name}", str(error))
        else:
            yield CheckResult("ok", f"project {loaded.name}", str(folder))
            opened = OpenedProject(home, loaded)
            context = pipeline_context(opened)
            state = list(_state(context, repairs=repairs))
            yield from state
            with suppress(TouchlineError, SQLAlchemyError, OSError):  # the state above says what is damaged
                start_delivery(opened)
            if not any(result.mark == "wrong" for result in state):  # records of damaged files cannot be read
                yield from playbooks(home, context)


def _state(context: PipelineContext, *, repairs: bool) -> Iterator[CheckResult]:
    """The stored state of a project, compared with its digests."""
    name = context.project.name
    tried: set[str] = set()
    try:
        for repair in automation.repair_damage(context) if repairs else ():
            tried.add(repair.damage.what)
            if repair.failure is None:
                text = f"{_sentence(repair.damage.problem)} Repaired: {repair.result}"
                yield CheckResult("note", repair.damage.what, text)
            else:
                text = f"{_sentence(repair.damage.problem)} The repair failed: {repair.failure}"
                yield CheckResult("wrong", repair.damage.what, text)
        damages = automation.find_damage(context)
    except (TouchlineError, SQLAlchemyError, OSError) as failure:
        yield CheckResult("wrong", f"state of {name}", str(failure))
        return
    if (note := _alert(context, damages)) is not None:
        yield note
    if not damages:
        yield CheckResult("ok", f"state of {name}", _sound_state(context))
    for damage in damages:
        step = damage.remedy
        if damage.repair is not None:
            step = "Restore a backup." if damage.what in tried else f"{damage.remedy}: touchline doctor --repair"
        yield CheckResult("wrong", damage.what, f"{_sentence(damage.problem)} {step}")


def _sound_state(context: PipelineContext) -> str:
    project, stores = context.project, context.stores
    if any(all_snapshots(project.name, source.name, stores) for source in project.sources):
        return "every stored file is what was written"
    return f"nothing is stored yet: touchline ingest -p {project.name}"


def _alert(context: PipelineContext, damages: Sequence[Damage]) -> CheckResult | None:
    """Make the damage an incident, or resolve the one of damage that is gone; a note where that was not possible."""
    try:
        automation.report_damage(context.project, context.stores, damages)
    except TouchlineError as failure:
        return CheckResult("note", f"alerts of {context.project.name}", f"the damage is no incident yet: {failure}")
    return None


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _ports(home: Home) -> Iterator[CheckResult]:
    settings = home.settings
    if supervisor.running(settings.home) is not None:
        yield CheckResult("ok", "processes", f"running; API on {settings.port}, MLflow on {settings.mlflow_port}")
        return
    for port, setting in ((settings.port, "TOUCHLINE_PORT"), (settings.mlflow_port, "TOUCHLINE_MLFLOW_PORT")):
        try:
            require_free(settings.host, port, setting=setting)
        except PortTaken as taken:
            yield CheckResult("note", f"port {port}", str(taken))
        except AddressUnusable as unusable:
            yield CheckResult("wrong", f"port {port}", str(unusable))
        else:
            yield CheckResult("ok", f"port {port}", "free")
