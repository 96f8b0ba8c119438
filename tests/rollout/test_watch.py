"""The server ends a rollout whose guardrail is breached, and leaves rare failures alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from tests.predictions.builders import a_row, write_rows
from tests.rollout.life import Life
from tests.serving.builders import FAST_LOG, drain_here, on_loopback, wait_for
from tests.serving.bundles import PROJECT
from touchline.registry import Journal, Releases
from touchline.rollout import GuardrailWatch, Rollout, RolloutState, end_overtaken, steer
from touchline.serving import JournalReleases, Limits, ServedProject, Server, ServerOptions, create_app
from touchline.serving.shadow.guarded_writer import GuardedWriter
from touchline.storage.ulids import ulid_at

CANARY = Rollout(mode="canary", unit="example_id", steps=(50, 100), min_days=1)


@contextmanager
def a_server(life: Life) -> Iterator[Server]:
    releases = JournalReleases(PROJECT, Journal(life.database, life.clock), Releases(life), rollouts=life.records)
    options = ServerOptions(Limits(poll_seconds=0.02, lag_seconds=60.0), FAST_LOG, drains=drain_here)
    project = ServedProject(PROJECT, releases, life.clock)
    app = create_app([project], database=life.database, spool=life.folder / "spool", options=options)
    with on_loopback(app):
        yield app


def rows_of(
    life: Life, state: RolloutState, variant: str, role: str, count: int, *, minute: int = 0, **changes: Any
) -> None:
    same = {"project": PROJECT, "experiment": state.experiment.id, "probability": 0.5, "seconds": 0.001}
    start = ulid_at(life.clock.wall() + timedelta(minutes=minute))[:10]
    rows = []
    for _ in range(count):
        life.count += 1
        rows.append(
            a_row(f"{start}{life.count:016d}", **same, variant=variant, role=role, unit=f"u{life.count}", **changes)
        )
    write_rows(life.database, rows)


def test_a_breached_guardrail_ends_the_rollout_in_the_running_server(tmp_path: Path) -> None:
    life = Life(tmp_path)
    state = life.start(CANARY)
    with a_server(life) as server:
        slot = server.serving.slots[PROJECT]
        wait_for(lambda: slot.traffic)
        rows_of(life, state, "candidate", "answer", 60)
        rows_of(life, state, "production", "answer", 60)
        rows_of(life, state, "candidate", "failed", 3)  # fewer than 5 events: a slow hour, no verdict
        slot.refresh()
        assert life.ended is None
        rows_of(life, state, "candidate", "failed", 27)
        wait_for(lambda: slot.traffic is None)
    assert life.ended == "aborted"
    assert life.records.newest().events[-1].actor == "server"  # type: ignore[union-attr]


def test_the_process_of_a_shadow_ends_its_rollout_and_counts_rows_that_come_late(tmp_path: Path) -> None:
    life = Life(tmp_path)
    state = life.start(Rollout(mode="shadow"))
    same = {"project": PROJECT, "experiment": state.experiment.id, "variant": "candidate"}

    class Log:
        def write(self, lines: Sequence[bytes]) -> None:
            write_rows(life.database, [a_row(**orjson.loads(line), **same) for line in lines])

    def write(role: str, count: int, minute: int) -> None:
        start = ulid_at(life.clock.wall() + timedelta(minutes=minute))[:10]
        writer.write([f'{{"prediction_id":"{start}{n:016d}","role":"{role}"}}'.encode() for n in range(count)])
        writer.look()

    writer = GuardedWriter(Log(), life.database, PROJECT, life.clock)
    write("shadow", 60, -1)
    assert life.ended is None
    write("failed", 30, -60)  # they have waited for an hour
    wait_for(lambda: life.ended or writer.look())
    assert life.ended == "aborted"


def test_why_a_candidate_fails_is_in_the_status_and_its_units_are_in_the_ratio(tmp_path: Path) -> None:
    life = Life(tmp_path)
    state = life.start(CANARY)
    rows_of(life, state, "production", "answer", 60)
    rows_of(life, state, "candidate", "answer", 40)
    for error, count in (("ValueError: no age", 3), ("KeyError: 'city'", 17)):
        rows_of(life, state, "candidate", "failed", count, output={"error": error})
    report = life.report()
    ratio = report.evidence.ratio
    assert ratio is not None
    assert (ratio.production, ratio.candidate) == (60, 60)
    with life.database.connect() as connection:
        (newest,) = connection.exec_driver_sql("SELECT max(prediction_id) FROM predictions").one()
    expected = f"commonest error of the candidate: KeyError: 'city' (17 of 20, prediction {newest})"
    assert expected in report.guardrails[0].message
    life.check()
    assert expected in life.report().sentence


def test_a_watch_that_remembers_counts_as_one_that_reads_everything(tmp_path: Path) -> None:
    life = Life(tmp_path)
    state = life.start(CANARY)
    watch = GuardrailWatch(life.database, state.experiment)
    for minute in range(4):
        rows_of(life, state, "candidate", "answer", 5, minute=minute)
        rows_of(life, state, "candidate", "failed", 2, minute=minute)
        found = watch.check(life.clock.wall() + timedelta(minutes=minute + 0.5))  # older than a minute: remembered
        anew = GuardrailWatch(life.database, state.experiment).check()
        assert [result.measured for result in found] == [result.measured for result in anew]
    assert found[0].measured == "failed requests: candidate 28.57% of 28, Production none yet"


def test_a_candidate_that_left_staging_is_out_of_the_traffic_at_the_next_look(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(CANARY)
    with a_server(life) as server:
        slot = server.serving.slots[PROJECT]
        wait_for(lambda: slot.traffic)
        life.move(2, "Archived")
        wait_for(lambda: slot.traffic is None)
        ended = end_overtaken(life.context)
    assert ended is not None
    assert life.ended == "superseded"


def test_a_candidate_that_does_not_load_is_an_incident_of_its_rollout_once(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(CANARY)
    folder = tmp_path / "objects" / PROJECT / "releases" / life.releases[2]
    (folder / "release.json").write_text("{}")
    with a_server(life) as server:
        slot = server.serving.slots[PROJECT]
        wait_for(lambda: slot.refused_candidate)
        wait_for(lambda: life.records.newest().events[-1].kind == "incident")  # type: ignore[union-attr]
    assert "A person must look: candidate" in life.report().next_step
    assert [event.kind for event in life.records.newest().events] == ["start", "incident"]  # type: ignore[union-attr]


def test_testers_count_in_no_guardrail(tmp_path: Path) -> None:
    life = Life(tmp_path)
    state = life.start(CANARY)
    same = {"project": PROJECT, "experiment": state.experiment.id, "variant": "candidate", "override": True}
    write_rows(life.database, [a_row(f"{n:026d}", **same, role="failed", unit="anna") for n in range(50)])
    assert GuardrailWatch(life.database, state.experiment).check()[0].verdict == "undecided"


def test_requests_may_bring_the_fields_of_both_versions_from_staging_until_after_the_decision(tmp_path: Path) -> None:
    life = Life(tmp_path, candidate_columns=5)
    old, new = life.releases[1], life.releases[2]

    def beside() -> tuple[str, ...]:
        return JournalReleases(PROJECT, life.journal, Releases(life), rollouts=life.records).head().beside

    assert beside() == (new,)  # in Staging, before its rollout
    life.start(Rollout(mode="shadow"))
    assert beside() == (new,)
    steer(life.context, "abort", actor="ann", reason="wrong prices")
    life.move(2, "Archived")
    assert beside() == (new,)
    life.move(2, "Production")
    assert beside() == (old,)


def test_rows_that_no_shadow_could_predict_are_an_incident_once(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="shadow"))
    with a_server(life) as server:
        slot = server.serving.slots[PROJECT]
        traffic = wait_for(lambda: slot.traffic)
        traffic.left_out = 3
        wait_for(lambda: life.records.newest().events[-1].kind == "incident")  # type: ignore[union-attr]
        traffic.left_out = 9
    events = life.records.newest().events  # type: ignore[union-attr]
    assert [event.kind for event in events] == ["start", "incident"]
    assert "3 rows have no prediction beside their answer" in events[-1].message
