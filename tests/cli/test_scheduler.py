"""A scheduler that works for several projects, while their declarations are edited."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.cli.conftest import Cli, a_shop
from tests.cli.test_schedule import a_scheduler, database_of, declare, hold, runs_of
from tests.test_loop import until
from touchline.automation import PipelineRuns
from touchline.cli.opening import OpenedProject, load_all, open_home
from touchline.cli.processes.scheduling import Scheduling

pytestmark = pytest.mark.services


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Cli]:
    """The shop in this process, not ingested."""
    with a_shop(tmp_path) as one:
        yield one


def test_a_long_run_of_one_project_keeps_no_other_waiting(shop: Cli) -> None:
    other = shop.place / "projects" / "other" / "project.py"
    shutil.copytree(shop.place / "projects" / "shop", other.parent)
    other.write_text(other.read_text().replace('name="shop"', 'name="other"'))
    held = hold(shop)
    for name in ("shop", "other"):
        shop.run("schedule", "backfill", "retrain", "--from", "2024-05-20", "--until", "2024-05-26", "-p", name)
    database = database_of(shop)
    with a_scheduler(shop):
        until(lambda: PipelineRuns(database, "other").newest()[0].status == "done")
        until(lambda: runs_of(shop)[0].attempts == 1)
        assert runs_of(shop)[0].finished_at is None
        held.unlink()
        until(lambda: runs_of(shop)[0].status == "done")
    database.close()


def test_a_scheduler_decides_by_the_declaration_of_now(shop: Cli, caplog: pytest.LogCaptureFixture) -> None:
    home = open_home()
    scheduling = Scheduling(home, [OpenedProject(home, one) for one in load_all(home, [])])
    project = shop.place / "projects" / "shop" / "project.py"
    sound = project.read_text()
    thread = Thread(target=scheduling.run)
    thread.start()
    try:
        project.write_text("import nothing_of_that_name\n")
        until(lambda: "the one before decides" in caplog.text)
        assert scheduling.projects[0].project.daily is None
        project.write_text(sound)
        declare(shop.place, 'daily=Daily(schedule="0 5 * * *"),', "Daily")
        until(lambda: scheduling.projects[0].project.daily is not None)
    finally:
        scheduling.stop.set()
        thread.join()
