"""Alembic, without an ini file: the migrations travel inside the package."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from touchline.errors import DatabaseAhead
from touchline.storage.tables import HEAD

_MIGRATIONS = Path(__file__).parent / "migrations"


def configuration() -> Config:
    """The configuration for Alembic's commands, with the migrations of this package."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def is_no_partition(name: str | None, kind: str, parents: MutableMapping[Any, str | None]) -> bool:  # noqa: ARG001
    """For Alembic's comparison: a partition is part of its table, not one of its own."""
    return kind != "table" or name is None or not name.startswith("predictions_")


def known_revisions() -> set[str]:
    """Every schema that this version can come from or go to."""
    return {script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()}


def upgrade(connection: Connection, *, name: str) -> None:
    """Run the missing migrations inside the caller's transaction, which is the only writer."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found == HEAD:  # another process did it while this one waited for its turn
        return
    if found is not None and found not in known_revisions():
        raise DatabaseAhead(name, found, HEAD)
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
