"""Due times are decided once, however many schedulers there are, and become runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.api.builders import write_project
from touchline.automation import (
    Due,
    PipelineContext,
    PipelineRuns,
    RunRequest,
    ScheduleRecords,
    Stores,
    backfill,
    cancel_waiting,
    decide_due,
    find_symptoms,
    next_run,
    plan_backfill,
    read_facts,
    read_waiting,
    upcoming,
)
from touchline.automation.runs.pipeline import PIPELINE_LEASE, carried_out, pipeline_lease
from touchline.clock import FrozenClock
from touchline.errors import ReasonMissing, RunStopped, TimeAhead, UnknownName
from touchline.features import open_online_store
from touchline.project import Project, Retrain, load_project
from touchline.registry import open_tracking
from touchline.storage import Database, hold_lease, open_objects

BEGAN = datetime(2024, 6, 1, tzinfo=UTC)
DAILY_AT_4 = Retrain(schedule="0 4 * * *")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    database = Database.open(f"sqlite:///{tmp_path / 'touchline.db'}")
    database.migrate()
    yield Stores(
        database,
        open_objects(tmp_path / "objects"),
        FrozenClock(BEGAN),
        lambda: open_online_store("sqlite", str(tmp_path / "online.db")),
        lambda: open_tracking(f"sqlite:///{tmp_path / 'mlflow.db'}", artifacts=tmp_path / "artifacts"),
    )
    database.close()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    declared = load_project(write_project(tmp_path), base=tmp_path).project
    return declared.model_copy(update={"retrain": DAILY_AT_4})


def test_many_schedulers_decide_each_time_once(project: Project, stores: Stores) -> None:
    decide_due(project, stores)
    runs = PipelineRuns(stores.database, "shop")
    for _ in range(12):
        stores.clock.move_to(stores.clock.now() + timedelta(days=1))
        with ThreadPoolExecutor(8) as schedulers:
            decided = [
                tick for ticks in schedulers.map(lambda _: decide_due(project, stores), range(8)) for tick in ticks
            ]
        assert len(decided) == 1
        [waiting] = runs.waiting()
        assert waiting.id == decided[0].run_id
        runs.end(waiting.id, "done", "", clock=stores.clock)
    times = sorted(tick.scheduled_at for tick in ScheduleRecords(stores.database, "shop").ticks(100))
    assert times == [BEGAN + timedelta(days=day, hours=4) for day in range(12)]


def test_a_time_at_which_a_run_waits_is_recorded_and_asks_for_no_second(project: Project, stores: Stores) -> None:
    decide_due(project, stores)
    stores.clock.move_to(BEGAN + timedelta(days=1))
    [first] = decide_due(project, stores)
    stores.clock.move_to(BEGAN + timedelta(days=2))
    [second] = decide_due(project, stores)
    assert (first.verdict, second.verdict, second.run_id) == ("run", "nothing", None)
    assert f"run {first.run_id} waits already" in second.reason
    assert len(PipelineRuns(stores.database, "shop").waiting()) == 1


def test_a_paused_job_has_nothing_due_and_its_missed_times_count_as_one(project: Project, stores: Stores) -> None:
    records = ScheduleRecords(stores.database, "shop")
    assert records.pause("retrain", actor="ann", reason="moving", clock=stores.clock)
    assert not records.pause("retrain", actor="bob", reason="again", clock=stores.clock)
    stores.clock.move_to(BEGAN + timedelta(days=5))
    assert decide_due(project, stores) == []
    assert (records.paused()["retrain"].actor, records.paused()["retrain"].reason) == ("ann", "moving")
    assert records.resume("retrain", actor="ann", clock=stores.clock)
    [tick] = decide_due(project, stores)
    assert tick.scheduled_at == BEGAN + timedelta(days=4, hours=4)


def test_a_pause_holds_what_the_schedule_asked_for_and_lets_a_person_go_on(project: Project, stores: Stores) -> None:
    records, runs = ScheduleRecords(stores.database, "shop"), PipelineRuns(stores.database, "shop")
    times = [BEGAN + timedelta(days=day, hours=4) for day in range(2)]
    ticks = backfill(project, stores, "retrain", times, actor="ann")
    assert next_run("shop", stores) is not None
    records.pause("retrain", actor="ann", reason="moving", clock=stores.clock)
    assert next_run("shop", stores) is None
    held = read_waiting("shop", stores).held("retrain")
    assert [run.id for run in held] == [tick.run_id for tick in ticks]
    assert upcoming(project, stores, "retrain") is None
    found = {one.subject: one for one in find_symptoms(project, stores)}
    assert found["schedule"].happened.endswith("by ann: moving; waiting runs held: 2")
    assert "2 retrain" in found["queue"].happened
    assert not any(one.is_wrong for one in found.values())
    by_hand, _ = runs.request(
        RunRequest(), clock=stores.clock, is_only=True, held_ids=read_waiting("shop", stores).held_ids
    )
    assert next_run("shop", stores) == by_hand
    runs.end(by_hand.id, "done", "", clock=stores.clock)
    records.resume("retrain", actor="ann", clock=stores.clock)
    assert next_run("shop", stores) == held[0]


def test_a_run_whose_process_is_gone_is_shown_as_stopped_with_the_next_command(
    project: Project, stores: Stores
) -> None:
    runs = PipelineRuns(stores.database, "shop")
    run, _ = runs.request(RunRequest(trigger="train"), clock=stores.clock)
    with hold_lease(stores.database, "shop:pipeline", holder="a", ttl=PIPELINE_LEASE, clock=stores.clock) as lease:
        runs.begin(run, code_hash="c", lease=lease, clock=stores.clock)
        assert [one.status for one in read_waiting("shop", stores).as_shown(runs.newest())] == ["running"]
        assert find_symptoms(project, stores) == []
    with hold_lease(stores.database, "shop:pipeline", holder="b", ttl=PIPELINE_LEASE, clock=stores.clock):
        [shown] = read_waiting("shop", stores).as_shown(runs.newest())
        assert (shown.status, shown.failure) == (
            "stopped",
            "its process is gone; to go on: touchline retrain --due -p shop; "
            "to withdraw it: touchline schedule cancel retrain -p shop",
        )
        [symptom] = find_symptoms(project, stores)
    assert f"run {run.id} (train)" in symptom.happened
    assert [one.id for one in cancel_waiting("shop", stores, "retrain", actor="ann", reason="")] == [run.id]
    assert runs.find(run.id).status == "stopped"


def test_missed_times_are_run_one_by_one_when_a_person_asks(project: Project, stores: Stores) -> None:
    decide_due(project, stores)
    stores.clock.move_to(BEGAN + timedelta(days=5))
    decide_due(project, stores)
    until = stores.clock.now()
    times = plan_backfill(project, stores, "retrain", BEGAN, until).times
    ticks = backfill(project, stores, "retrain", times, actor="ann")
    assert [tick.scheduled_at for tick in ticks] == [BEGAN + timedelta(days=day, hours=4) for day in range(4)]
    assert plan_backfill(project, stores, "retrain", BEGAN, until).times == ()
    assert backfill(project, stores, "retrain", times, actor="ann") == []
    assert plan_backfill(project, stores, "daily", BEGAN, until).times == ()


def test_times_to_come_are_not_asked_for(project: Project, stores: Stores) -> None:
    with pytest.raises(TimeAhead, match="2034-06-01"):
        plan_backfill(project, stores, "retrain", BEGAN, datetime(2034, 6, 1, tzinfo=UTC))
    assert PipelineRuns(stores.database, "shop").waiting() == []


def test_a_clock_that_was_years_ahead_for_a_moment_ends_no_schedule(project: Project, stores: Stores) -> None:
    decide_due(project, stores)
    stores.clock.move_to(datetime(2034, 6, 1, 5, tzinfo=UTC))
    [wrong] = decide_due(project, stores)
    runs = PipelineRuns(stores.database, "shop")
    runs.end(wrong.run_id or "", "done", "", clock=stores.clock)
    for day in (1, 2):
        right = _at(stores, BEGAN + timedelta(days=day, hours=5))
        [tick] = decide_due(project, right)
        assert tick.scheduled_at == BEGAN + timedelta(days=day, hours=4)
        assert decide_due(project, right) == []
        runs.end(tick.run_id or "", "done", "", clock=right.clock)
        assert read_facts(project, right).last_run_at == right.clock.now()
    assert decide_due(project, _at(stores, BEGAN + timedelta(days=1, hours=5))) == []  # back again, and decided


def _at(stores: Stores, now: datetime) -> Stores:
    return replace(stores, clock=FrozenClock(now))


@pytest.mark.parametrize(("code", "words"), [(1, r"sys.exit\(1\)"), ("no prices", "no prices")])
def test_code_that_ends_its_process_fails_its_run(tmp_path: Path, stores: Stores, code: int | str, words: str) -> None:
    context = PipelineContext(load_project(write_project(tmp_path / "own"), base=tmp_path), stores)
    runs = PipelineRuns(stores.database, "shop")
    run, _ = runs.request(RunRequest(), clock=stores.clock)
    with (
        pipeline_lease(context, "ann") as lease,
        pytest.raises(RunStopped, match=words),
        carried_out(context, run, lease) as record,
        record.step("ingest"),
    ):
        sys.exit(code)
    ended = runs.find(run.id)
    assert (ended.status, ended.counted_attempts) == ("failed", 1)
    assert "the project's code ended the process" in str(ended.failure)


def test_nothing_is_to_be_done_while_the_pipeline_is_held(project: Project, stores: Stores) -> None:
    stores.clock.move_to(BEGAN + timedelta(days=1))
    backfill(project, stores, "retrain", [BEGAN + timedelta(hours=4)], actor="ann")
    with hold_lease(stores.database, "shop:pipeline", holder="a", ttl=timedelta(minutes=1), clock=stores.clock):
        assert next_run("shop", stores) is None
    waiting = next_run("shop", stores)
    assert waiting is not None
    assert waiting.trigger == "schedule"


def test_wrong_words_are_refused(stores: Stores) -> None:
    records = ScheduleRecords(stores.database, "shop")
    with pytest.raises(UnknownName, match="retrian"):
        records.pause("retrian", actor="ann", reason="x", clock=stores.clock)
    with pytest.raises(ReasonMissing):
        records.pause("retrain", actor="ann", reason="  ", clock=stores.clock)


def test_a_time_that_was_decided_is_not_decided_again_by_another_clock(project: Project, stores: Stores) -> None:
    records = ScheduleRecords(stores.database, "shop")
    due = Due("retrain", "schedule", BEGAN, "now")
    assert records.decide(due, clock=stores.clock) is not None
    assert records.decide(due, clock=FrozenClock(BEGAN - timedelta(days=1))) is None
    assert read_facts(project, stores).ticks == {("retrain", "schedule"): BEGAN}
