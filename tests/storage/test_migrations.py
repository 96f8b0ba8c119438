from __future__ import annotations

import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from tests.storage.children import race, start
from touchline.errors import DatabaseAhead, DatabaseBehind
from touchline.storage import Database, tables
from touchline.storage.migrate import configuration, is_no_partition

MIGRATE = """
import sys
from touchline.storage import Database
database = Database.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
database.migrate()
database.close()
print("alembic" in sys.modules)
"""


def _set_revision(database: Database, revision: str) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")


def test_the_migrations_make_the_declared_tables(any_database: Database) -> None:
    with any_database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_no_partition})
        assert compare_metadata(context, tables.metadata) == []


def test_the_declared_schema_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [tables.HEAD]


@pytest.mark.parametrize("revision", ["0004", "0006"])
def test_a_database_of_an_earlier_schema_gets_the_declared_tables(any_url: str, revision: str) -> None:
    database = Database.open(any_url)
    with database.begin() as connection:
        earlier = configuration()
        earlier.attributes["connection"] = connection
        command.upgrade(earlier, revision)
    database.migrate()
    with database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_no_partition})
        assert compare_metadata(context, tables.metadata) == []
    database.close()


def test_what_came_by_the_first_migration_for_a_while_is_left_as_it_is(database: Database) -> None:
    _set_revision(database, "0005")
    database.migrate()
    database.require_head()


def test_migrating_again_changes_nothing(any_database: Database) -> None:
    any_database.migrate()
    assert any_database.revision() == tables.HEAD
    any_database.require_head()


def test_a_database_at_head_is_opened_without_alembic(database: Database) -> None:
    child = start(MIGRATE, database.url)
    assert finish_after_go(child) == "False"


@pytest.mark.services
def test_several_processes_may_migrate_at_once(any_url: str) -> None:
    race(MIGRATE, [[any_url]] * 3)
    database = Database.open(any_url)
    database.require_head()
    database.close()


def test_a_database_of_a_newer_touchline_is_left_alone(any_database: Database) -> None:
    _set_revision(any_database, "9999")
    with pytest.raises(DatabaseAhead, match=r"its schema is 9999, this version knows up to 0\d+"):
        any_database.migrate()
    with pytest.raises(DatabaseAhead):
        any_database.require_head()
    assert any_database.revision() == "9999"


def test_an_empty_database_says_to_migrate(any_url: str) -> None:
    database = Database.open(any_url)
    with pytest.raises(DatabaseBehind, match=r"has schema none, .* Run: touchline migrate"):
        database.require_head()
    database.close()


def test_a_migration_that_fails_leaves_no_table(any_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def upgrade_then_fail(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        raise RuntimeError("power cut")

    real = command.upgrade
    database = Database.open(any_url)
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", upgrade_then_fail)
        with pytest.raises(RuntimeError, match="power cut"):
            database.migrate()
    with database.connect() as connection:
        assert inspect(connection).get_table_names() == []
    database.migrate()
    database.close()


def finish_after_go(child: subprocess.Popen[str]) -> str:
    output, complaint = child.communicate("go\n", timeout=240)
    assert child.returncode == 0, complaint
    return output.split()[-1]


def test_opening_a_database_does_not_import_what_it_does_not_need() -> None:
    code = "import sys, touchline.storage.database; print({'alembic', 'psycopg', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
