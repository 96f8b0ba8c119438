"""`touchline migrate --to`: a home moves from its present stores to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from touchline import automation, backup, storage
from touchline.cli.opening import Home, OpenedProject, load_all, pipeline_context
from touchline.cli.processes import supervisor
from touchline.errors import BackendUnavailable, BackupRefused, InvalidSetting, without_error_kind, without_passwords

if TYPE_CHECKING:
    from touchline.backup import ObjectsCopy
    from touchline.settings import Settings
    from touchline.storage import TableCopy

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
    if "redis_url" in targets:
        Home(settings, home.base).main_online.read([b"touchline move"])  # raises where nothing answers
    tables: tuple[TableCopy, ...] = ()
    objects: ObjectsCopy | None = None
    if "database_url" in targets:
        target = storage.Database.open(str(settings.database_url))
        try:
            tables = tuple(backup.move_database(home.database, target, on_progress=on_progress))
        finally:
            target.close()
    if "objects_url" in targets:
        store = storage.open_objects(str(settings.objects_url))
        objects = backup.move_objects(home.objects, store, on_progress=on_progress)
    online = tuple(_filled(Home(settings, home.base))) if "redis_url" in targets else ()
    named = {f"TOUCHLINE_{name.upper()}": without_passwords(value) for name, value in {**targets, **more}.items()}
    return MovedHome(tables, objects, online, named)


def _filled(home: Home) -> list[str]:
    """Fill the online store of the moved home from the histories of every project."""
    try:
        return [
            line
            for loaded in load_all(home, [])
            for line in automation.fill_online_values(pipeline_context(OpenedProject(home, loaded)))
        ]
    finally:
        home.database.close()
