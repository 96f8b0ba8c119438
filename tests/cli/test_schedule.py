"""What is done by itself: due times, taken-over runs, the day's work; and what a wrong word is answered."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.cli.conftest import Cli, a_shop
from tests.serving.builders import wait_for
from tests.test_loop import Shop, until
from touchline.automation import PipelineRuns, RunRequest
from touchline.automation.runs.pipeline import PIPELINE_LEASE
from touchline.automation.runs.records import MOST_ATTEMPTS
from touchline.cli.opening import OpenedProject, load_all, open_home
from touchline.cli.processes.run_starts import RunStarts
from touchline.cli.processes.scheduling import Scheduling
from touchline.clock import SystemClock
from touchline.errors import (
    InvalidInstant,
    InvalidProject,
    InvalidSetting,
    NothingScheduled,
    ReasonMissing,
    StepNotReached,
    TimesReversed,
    TouchlineError,
    UnknownName,
)
from touchline.predictions import OpenExampleRecords, PredictionRecords
from touchline.storage import Database, lease_holder
from touchline.storage.tables import schedule_events

pytestmark = pytest.mark.services


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    subprocess.run([*shop.command, "stop"], cwd=shop.place, env=shop.environment, capture_output=True, timeout=300)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Cli]:
    """The shop in this process, not ingested."""
    with a_shop(tmp_path) as shop:
        yield shop


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The shop, ingested only."""
    with a_shop(tmp_path_factory.mktemp("shop")) as shop:
        shop.run("ingest")
        yield shop


_HELD = """

class HeldVisits(CsvFiles):
    \"\"\"The table, once the file `hold` beside it is gone.\"\"\"

    def fetch(self, context):
        import time
        from pathlib import Path

        while Path("hold").exists():
            time.sleep(0.01)
        return super().fetch(context)
"""


def hold(shop: Cli) -> Path:
    """Keep the runs of the shop in their first step for as long as this file exists."""
    project = shop.place / "projects" / "shop" / "project.py"
    line = "from touchline.ingest import CsvFiles\n"
    text = project.read_text().replace('CsvFiles("visits.csv")', 'HeldVisits("visits.csv")')
    project.write_text(text.replace(line, f"{line}{_HELD}"))
    (shop.place / "hold").touch()
    return shop.place / "hold"


def declare(place: Path, lines: str, names: str) -> None:
    """Add lines to the shop's declaration."""
    project = place / "projects" / "shop" / "project.py"
    text = project.read_text().replace("Project, SampleClock", f"{names}, Project, SampleClock")
    project.write_text(text.replace("    clock=", f"    {lines}\n    clock="))


@contextmanager
def a_scheduler(shop: Cli) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "touchline.cli.main", "schedule", "run"]
    with subprocess.Popen(command, cwd=shop.place, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def database_of(shop: Cli | Shop) -> Database:
    return Database.open(f"sqlite:///{shop.place / 'home' / 'touchline.db'}")


def runs_of(shop: Cli | Shop) -> list[Any]:
    database = database_of(shop)
    try:
        return PipelineRuns(database, "shop").newest()
    finally:
        database.close()


def has_begun(shop: Cli) -> bool:
    database = database_of(shop)
    try:
        with database.connect() as connection:
            return bool(connection.scalar(sa.select(sa.func.count()).select_from(schedule_events)))
    except sa.exc.OperationalError:  # no tables yet
        return False
    finally:
        database.close()


def worker_of(shop: Cli) -> int:
    """The process that works on the shop's run: the holder of the lease."""
    database = database_of(shop)
    holder: str = wait_for(lambda: _holder(database))
    database.close()
    return int(holder.rpartition(":")[2])


def ask_for_a_run(shop: Cli) -> None:
    shop.run("schedule", "backfill", "retrain", "--from", "2024-05-20", "--until", "2024-05-26", "-p", "shop")


def _holder(database: Database) -> str | None:
    return lease_holder(database, "shop:pipeline", ttl=PIPELINE_LEASE, now=SystemClock().wall())


@pytest.mark.scale
def test_a_week_passes_with_nobody_touching_it(shop: Shop) -> None:
    declare(shop.place, 'daily=Daily(schedule="0 5 * * *"),', "Daily")
    shop.environment["TOUCHLINE_SCHEDULER"] = "true"
    shop.run("up")
    shop.run("schedule", "show", "-p", "shop")
    until(lambda: shop.json("schedule", "show", "-p", "shop")["jobs"][0]["state"] == "on")
    shop.run("clock", "advance", "2024-06-02T06:00", "-p", "shop")
    until(
        lambda: (
            {run.job for run in runs_of(shop) if run.status == "done" and run.trigger == "schedule"}
            == {"retrain", "daily"}
        )
    )

    shown = shop.json("schedule", "show", "-p", "shop")
    decided = {(one["job"], one["scheduled_at"][:16]) for one in shown["decisions"]}
    assert decided == {("retrain", "2024-06-02T00:00"), ("daily", "2024-06-02T05:00")}
    database = database_of(shop)
    examples = OpenExampleRecords(database, "shop").read()
    until(lambda: len(PredictionRecords(database, "shop").newest(1000)) >= len(examples))
    answers = {one.example_id: one for one in PredictionRecords(database, "shop").newest(1000)}
    assert set(answers) >= {one.example_id for one in examples}
    assert all(answers[one.example_id].cutoff <= one.cutoff for one in examples)
    database.close()


def test_a_run_whose_process_is_killed_is_taken_over_and_done_once(fresh: Cli) -> None:
    shop, held = fresh, hold(fresh)
    ask_for_a_run(shop)
    with a_scheduler(shop), a_scheduler(shop):
        until(lambda: any(run.attempts == 1 for run in runs_of(shop)))
        os.kill(worker_of(shop), signal.SIGKILL)
        held.unlink()
        until(lambda: runs_of(shop)[0].status == "done")
    [run] = runs_of(shop)
    assert (run.attempts, run.trigger, run.failure) == (2, "schedule", None)
    models = shop.json("models", "list", "-p", "shop")
    assert [(one["version"], one["stage"]) for one in models] == [(1, "Production")]


def test_a_process_that_always_dies_before_it_has_begun_its_run_is_not_started_for_ever(fresh: Cli) -> None:
    project = fresh.place / "projects" / "shop" / "project.py"
    dies = "import os\nfrom pathlib import Path\n\nif Path('die').exists():\n    os._exit(0)\n"
    project.write_text(f"{project.read_text()}\n{dies}")
    ask_for_a_run(fresh)
    home = open_home()
    now = [0.0]
    opened = [OpenedProject(home, one) for one in load_all(home, [])]
    scheduling = Scheduling(home, opened, starts=RunStarts(lambda: now[0]))
    [run] = runs_of(fresh)
    for _ in range(MOST_ATTEMPTS - 1):
        scheduling.starts.note_failure(run.id, is_death=True)
    (fresh.place / "die").touch()
    scheduling.look()
    assert runs_of(fresh)[0].status == "queued"  # it rests
    now[0] = 600.0
    scheduling.look()
    [ended] = runs_of(fresh)
    assert (ended.status, ended.attempts) == ("failed", 0)
    assert "3 times none had begun the run" in ended.failure


def test_a_broken_project_keeps_no_other_from_its_schedule(fresh: Cli) -> None:
    other = fresh.place / "projects" / "other"
    other.mkdir()
    (other / "project.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(InvalidProject, match="nothing_of_that_name"):
        fresh.run("schedule", "run", "--once")
    assert has_begun(fresh)
    (fresh.place / "projects" / "shop" / "project.py").write_text("1 / 0\n")
    with pytest.raises(InvalidProject, match="ZeroDivisionError"):
        fresh.run("schedule", "run", "--once", "shop")


def test_an_orderly_end_gives_the_lease_back_and_counts_as_no_death(fresh: Cli) -> None:
    shop, held = fresh, hold(fresh)
    ask_for_a_run(shop)
    for attempt in range(1, MOST_ATTEMPTS + 2):
        with a_scheduler(shop) as scheduler:
            until(lambda attempt=attempt: runs_of(shop)[0].attempts == attempt)
            worker_of(shop)
            scheduler.terminate()
            scheduler.wait(timeout=240)
        database = database_of(shop)
        assert _holder(database) is None
        database.close()
    [run] = runs_of(shop)
    assert (run.status, run.counted_attempts) == ("running", 0)
    held.unlink()
    shop.run("retrain", "--due", "-p", "shop")
    [run] = runs_of(shop)
    assert (run.status, run.attempts, run.counted_attempts) == ("done", MOST_ATTEMPTS + 2, 1)


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("time_limit=timedelta(seconds=1)", r"it outgrew its time limit of 0:00:01 \(Retrain\(time_limit=\)\)"),
        (
            "memory_limit=1_000_000",
            r"it held [\d,]{9,} bytes, above its limit of 1,000,000 \(Retrain\(memory_limit=\)\)",
        ),
    ],
)
def test_a_run_that_outgrows_its_limit_is_ended_with_that_reason(fresh: Cli, limit: str, reason: str) -> None:
    shop = fresh
    hold(shop)  # for ever
    declare(shop.place, f"retrain=Retrain({limit}),", "Retrain")
    ask_for_a_run(shop)
    shop.run("schedule", "run", "--once", "-p", "shop")
    [run] = runs_of(shop)
    assert run.status == "failed"
    assert re.fullmatch(reason, run.failure or "")
    assert shop.json("models", "list", "-p", "shop") == []


@pytest.mark.parametrize(
    ("command", "limit"), [("train", "time_limit=timedelta(microseconds=1)"), ("retrain", "memory_limit=1_000_000")]
)
def test_a_training_by_hand_keeps_to_the_limits_as_well(shop: Shop, command: str, limit: str) -> None:
    declare(shop.place, f"retrain=Retrain({limit}),", "Retrain")
    assert "limit of" in shop.run(command, "-p", "shop", code=1)
    [run] = runs_of(shop)
    assert run.status == "failed"
    assert f"(Retrain({limit.partition('=')[0]}=))" in (run.failure or "")
    assert shop.json("models", "list", "-p", "shop") == []


def test_a_declaration_that_does_not_load_ends_its_run_instead_of_being_tried_for_ever(fresh: Cli) -> None:
    shop = fresh
    shop.run("clock", "show")
    with a_scheduler(shop):
        project = shop.place / "projects" / "shop" / "project.py"
        until(lambda: has_begun(shop))  # so it has loaded the project
        shop.run("schedule", "pause", "retrain", "--reason", "a run is asked for by hand", "-p", "shop")
        sound = project.read_text()
        project.write_text(sound.replace("Project(", "Projekt("))
        database = database_of(shop)
        PipelineRuns(database, "shop").request(RunRequest(), clock=SystemClock())
        database.close()
        until(lambda: runs_of(shop)[0].status == "failed")
        project.write_text(sound)
    [run] = runs_of(shop)
    assert run.attempts == 0
    assert "the declaration cannot be used (touchline plan -p shop)" in (run.failure or "")


def test_a_run_goes_on_only_under_the_code_that_began_it(fresh: Cli) -> None:
    shop, held = fresh, hold(fresh)
    ask_for_a_run(shop)
    with a_scheduler(shop) as scheduler:
        until(lambda: any(run.attempts == 1 for run in runs_of(shop)))
        scheduler.send_signal(signal.SIGSTOP)
        os.kill(worker_of(shop), signal.SIGKILL)
        scheduler.kill()
    project = shop.place / "projects" / "shop" / "project.py"
    project.write_text(project.read_text().replace("> 50", "> 49"))
    held.unlink()
    with pytest.raises(TouchlineError, match="the project's code changed since it began"):
        shop.run("retrain", "--due", "-p", "shop")
    assert [run.status for run in runs_of(shop)] == ["stopped"]


def test_nothing_is_due_is_said_and_is_no_failure(cli: Cli) -> None:
    assert "nothing to do" in cli.run("retrain", "--due")
    shown = cli.run("schedule", "show")
    assert "0 0 * * 0 (UTC)" in shown
    assert "2024-06-02" in shown
    with pytest.raises(InvalidSetting, match=r"Option --force is given with --due: .* Give the command another one"):
        cli.run("retrain", "--due", "--force")


def test_a_backfill_without_times_is_refused(cli: Cli) -> None:
    with pytest.raises(NothingScheduled, match=r"no schedule for daily.*daily=Daily\(schedule="):
        cli.run("schedule", "backfill", "daily", "--from", "2024-05-01")
    with pytest.raises(TimesReversed, match=r"--until \(2024-05-01 00:00\) is not after --from \(2024-05-20 00:00\)"):
        cli.run("schedule", "backfill", "retrain", "--from", "2024-05-20", "--until", "2024-05-01")


def test_a_fork_takes_over_the_data_of_a_run_and_trains_anew(tmp_path: Path) -> None:
    with a_shop(tmp_path) as cli:
        cli.run("train")
        first = cli.json("schedule", "show")["runs"][0]
        cli.run("clock", "advance", "2024-06-06")
        cli.run("ingest")
        with pytest.raises(UnknownName, match="tarin"):
            cli.run("schedule", "fork", first["id"], "--from", "tarin")
        forked = cli.json("schedule", "fork", first["id"], "--from", "train")
        cli.run("retrain", "--due")
        database = Database.open(f"sqlite:///{tmp_path / 'home' / 'touchline.db'}")
        runs = PipelineRuns(database, "shop")
        outputs = {run: {step.name: step.output for step in runs.steps(run)} for run in (first["id"], forked["id"])}
        whole, fork = outputs[first["id"]], outputs[forked["id"]]
        assert fork["training_set"]["hash"] == whole["training_set"]["hash"]
        assert fork["settle"]["from_run"] == first["id"]
        assert (whole["train"]["version"], fork["train"]["version"]) == (1, 2)
        queued, _ = runs.request(RunRequest(), clock=SystemClock())
        with pytest.raises(StepNotReached, match="it never finished ingest"):
            cli.run("schedule", "fork", queued.id, "--from", "features")
        database.close()


def test_a_paused_job_needs_a_reason_and_says_who_paused_it(cli: Cli) -> None:
    with pytest.raises(ReasonMissing):
        cli.run("schedule", "pause", "retrain")
    assert "is paused" in cli.run("schedule", "pause", "retrain", "--reason", "source moves")
    assert "paused already" in cli.run("schedule", "pause", "retrain", "--reason", "again")
    assert "source moves" in cli.run("schedule", "show")
    cli.run("clock", "advance", "2024-06-02T12:00")
    assert "nothing to do" in cli.run("retrain", "--due")
    assert "goes on" in cli.run("schedule", "resume", "retrain")
    assert "was not paused" in cli.run("schedule", "resume", "retrain")
    assert "version 1" in cli.run("retrain", "--due")
    assert "nothing to do" in cli.run("retrain", "--due")


def test_the_day_is_done_but_for_what_needs_a_server(tmp_path: Path) -> None:
    with a_shop(tmp_path) as cli:
        assert "nothing is in Production, so nothing was predicted or checked. Next: touchline train" in cli.run(
            "daily"
        )
        cli.run("train")
        printed = cli.run("daily", code=1)
        assert "open examples were not predicted" in printed
        assert "visits:" in printed
        (incident,) = [one for one in cli.json("alerts", "list") if one["cause"] == "daily_failed"]
        assert "open examples were not predicted" in cli.run("alerts", "show", incident["id"])


def test_an_instant_that_cannot_be_read_is_answered_with_the_form(cli: Cli) -> None:
    with pytest.raises(InvalidInstant, match="soon"):
        cli.run("schedule", "backfill", "daily", "--from", "soon")
