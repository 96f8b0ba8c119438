"""`touchline migrate --to`: a home moves from its present stores to others.

The database comes last and as a whole: until then a new home has nothing that anybody could use, and the same command
goes on where an earlier one ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from touchline import automation, backup, storage
from touchline.cli.opening import Home, OpenedProject, load_all, pipeline_context
from touchline.cli.processes import supervisor
from touchline.errors import BackendUnavailable, BackupRefused, InvalidSetting, without_error_kind, without_passwords

if TYPE_CHECKING:
    from touchline.backup import ObjectsCopy
    from touchline.settings import Settings
    from touchline.storage import Database, TableCopy

_OPTIONS: Final = {
    "TOUCHLINE_DATABASE_URL": "--to",
    "TOUCHLINE_OBJECTS_URL": "--objects-to",
    "TOUCHLINE_REDIS_URL": "--redis-to",
}


@dataclass(frozen=True)
class MovedHome:
    """What was copied, and the settings that name the new stores (passwords are hidden)."""

    tables: tuple[TableCopy, ...]
    objects: ObjectsCopy | None
    online: tuple[str, ...]
    settings: Mapping[str, str]

    @property
    def lines(self) -> list[str]:
        """The report for people."""
        rows = sum(one.rows for one in self.tables)
        lines = [f"{len(self.tables)} tables, {rows:,} rows: counts and digests are equal"] if self.tables else []
        if self.objects is not None:
            size = f"{self.objects.size / 1e6:,.1f} MB"
            lines.append(f"{self.objects.objects:,} objects, {size}: read back, digest {self.objects.digest[:12]}")
            if self.objects.already_there:
                lines.append(f"{self.objects.already_there:,} of them came with an earlier try")
            if self.objects.others:
                lines.append(f"{self.objects.others:,} objects there are of an earlier try and in this home no longer")
        settings = [f"  {name}={value}" for name, value in self.settings.items()]
        return [*lines, *self.online, "go on with these settings:", *settings]


def move_home(home: Home, targets: Mapping[str, str], on_progress: Callable[[str], None]) -> MovedHome:
    """Copy the state to the stores that `targets` names by setting. Raises `BackupRefused` while touchline runs."""
    from pydantic import ValidationError

    from touchline.settings import Settings

    if supervisor.running(home.settings.home) is not None:
        raise BackupRefused("touchline runs: what is written meanwhile would not be moved. Stop it: touchline stop")
    more = {"online_store": "redis"} if "redis_url" in targets else {}
    try:
        settings = Settings.model_validate({**home.settings.model_dump(), **targets, **more})
    except ValidationError as wrong:
        reasons = "; ".join(without_error_kind(one["msg"]) for one in wrong.errors())
        raise BackupRefused(f"the state was not moved: {reasons}") from None
    try:
        return _moved(home, settings, targets, more, on_progress)
    except (InvalidSetting, BackendUnavailable) as failure:
        raise _named_by_options(failure) from failure


def _named_by_options(failure: InvalidSetting | BackendUnavailable) -> BackupRefused:
    """The failure in the words that the person typed: the options, not the settings that they stand for."""
    text = str(failure).removesuffix(" Change it in the environment.")
    for setting, option in _OPTIONS.items():
        text = text.replace(f" or {setting}_FILE", "").replace(setting, option)
    return BackupRefused(f"The state was not moved. {text.removeprefix('Setting ')}")


def _moved(
    home: Home,
    settings: Settings,
    targets: Mapping[str, str],
    more: Mapping[str, str],
    on_progress: Callable[[str], None],
) -> MovedHome:
    tables: tuple[TableCopy, ...] = ()
    objects: ObjectsCopy | None = None
    online: tuple[str, ...] = ()
    with ExitStack() as opened:
        database = _opened(settings, opened) if "database_url" in targets else None
        if database is not None:
            backup.require_usable_database(home.database, database)
        if "redis_url" in targets:
            Home(settings, home.base).main_online.read([b"touchline move"])  # raises where nothing answers
        store = storage.open_objects(str(settings.objects_url)) if "objects_url" in targets else None
        if store is not None:
            objects = backup.move_objects(home.objects, store, home.folder, on_progress=on_progress)
        if "redis_url" in targets:
            online = tuple(_filled(_with_online_store(home, settings)))
        if database is not None:
            tables = tuple(backup.move_database(home.database, database, on_progress=on_progress))
        if store is not None:
            backup.end_move(store, home.folder)
    named = {f"TOUCHLINE_{name.upper()}": without_passwords(value) for name, value in {**targets, **more}.items()}
    return MovedHome(tables, objects, online, named)


def _opened(settings: Settings, opened: ExitStack) -> Database:
    database = storage.Database.open(str(settings.database_url))
    opened.callback(database.close)
    return database


def _with_online_store(home: Home, settings: Settings) -> Home:
    """The home with its present database and objects, and the other online store."""
    online = {name: getattr(settings, name) for name in ("online_store", "redis_url")}
    return Home(home.settings.model_copy(update=online), home.base)


def _filled(home: Home) -> list[str]:
    """Fill the online store from the histories of every project."""
    try:
        return [
            line
            for loaded in load_all(home, [])
            for line in automation.fill_online_values(pipeline_context(OpenedProject(home, loaded)))
        ]
    finally:
        home.database.close()
