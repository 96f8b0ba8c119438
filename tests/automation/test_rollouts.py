"""What follows the gates: a refresh goes live with its predecessor beside it, a change waits for its rollout."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.api.builders import NOW, a_home, write_project
from touchline.automation import PipelineReport, check_running, plan_run, preview_version, promote_version, run_pipeline
from touchline.cli.opening import OpenedProject, pipeline_context
from touchline.errors import IllegalStageChange
from touchline.project import load_project
from touchline.registry import Decision, read_version
from touchline.rollout import RolloutRecords, RolloutState
from touchline.storage.tables import model_versions

pytestmark = pytest.mark.services


class Shop:
    """A shop whose clock and declaration a test moves."""

    def __init__(self, place: Path) -> None:
        self.place, self.folder = place, write_project(place)
        self.edit("clock=SampleClock", "rollout=Rollout(min_days=0),\n    clock=SampleClock")
        self.edit("Project, SampleClock", "Project, Retrain, Rollout, SampleClock")
        with (place / "visits.csv").open("a") as visits:  # a week after the clock
            visits.writelines(
                f"june-{day}-{hour},2024-06-{day:02}T{hour:02}:00:00Z,c/{hour},{hour % 3},{30 * (1 + hour % 2)}\n"
                for day in range(2, 9)
                for hour in range(8, 16)
            )

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "project.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def opened(self) -> OpenedProject:
        return OpenedProject(a_home(self.place), load_project(self.folder, base=self.place))

    def train(self, *, at: timedelta = timedelta(0)) -> PipelineReport:
        context = pipeline_context(self.opened())
        context.clock.move_to(NOW + at)
        return run_pipeline(context, trigger="train", actor="tests")

    @property
    def rollouts(self) -> list[RolloutState]:
        return RolloutRecords(self.opened().stores.database, "shop").read()


def test_a_refresh_goes_live_and_its_predecessor_predicts_beside_it_until_the_next_one(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.train()
    second = shop.train(at=timedelta(days=2))
    assert second.version.stage == "Production"
    assert second.promotion is not None
    assert [change.to_stage for change in second.promotion.changes[:2]] == ["Staging", "Production"]
    (holdout,) = shop.rollouts
    assert (holdout.rule.mode, holdout.rule.candidate.version, holdout.rule.reference.version) == ("holdout", 1, 2)
    assert holdout.experiment.rule.longest_days == 56
    third = shop.train(at=timedelta(days=4))
    assert third.refusal is None, third.refusal
    newest, before = shop.rollouts
    assert third.version.stage == "Production"
    assert (newest.rule.candidate.version, newest.rule.reference.version) == (2, 3)
    assert before.end is not None
    assert before.end.message.startswith("version 3 refreshed it. ")


def test_a_refresh_waits_for_a_rollout_where_it_is_declared(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.edit("clock=SampleClock", 'retrain=Retrain(refresh="rollout"),\n    clock=SampleClock')
    shop.train()
    report = shop.train(at=timedelta(days=2))
    assert report.version.stage == "Staging"
    assert report.rollout is not None
    assert report.rollout.startswith("rollout 1 has begun: ")


def test_a_backfill_moves_production_to_no_older_data(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.train()
    with shop.opened().stores.database.begin() as connection:  # as if Production had learned from later rows
        connection.execute(model_versions.update().values(test_to=NOW + timedelta(days=30)))
    report = shop.train(at=timedelta(days=2))
    assert report.version.stage == "Staging"
    assert report.rollout is not None
    assert "its newest test example is of 2024-06-" in report.rollout
    assert "that of Production of 2024-07-01" in report.rollout


def test_a_changed_policy_is_planned_as_the_end_of_the_rollout_that_began_with_another(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.edit("clock=SampleClock", 'retrain=Retrain(refresh="rollout"),\n    clock=SampleClock')
    shop.train()
    shop.train(at=timedelta(days=2))
    context, by_hand = pipeline_context(shop.opened()), Decision("ann")
    version, refusal = read_version(context.stores, "shop", 2), "its rollout 1 runs and decides about Production"
    with pytest.raises(IllegalStageChange, match=refusal):
        promote_version(context, version, by_hand)
    assert refusal in str(preview_version(context, version, by_hand).refusal)
    assert plan_run(context).meanwhile == ()
    shop.edit("Rollout(min_days=0)", 'Rollout(min_days=0, alpha=0.2, mode="canary", longest_days=90)')
    changed = "the declaration changed its mode: shadow → canary; steps: [100] → [10, 25, 50, 100]; alpha: 0.05 → 0.2"
    plan = plan_run(pipeline_context(shop.opened()))
    (planned,) = plan.meanwhile
    assert planned.startswith("rollout 1 of version 2 keeps the rule it began with: the next check")
    assert planned.endswith(changed)
    (part,) = plan.changes.changes
    assert [detail.partition(":")[0] for detail in part.details] == ["alpha", "mode"]  # 90 days are the default
    report = check_running(pipeline_context(shop.opened()))
    assert report is not None
    assert report.status == "ended"
    assert changed in report.sentence


def test_a_changed_policy_ends_a_holdout(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.train()
    shop.train(at=timedelta(days=2))
    shop.edit("Rollout(min_days=0)", "Rollout(min_days=0, alpha=0.2)")
    report = check_running(pipeline_context(shop.opened()))
    assert report is not None
    assert report.sentence.endswith("changed its alpha: 0.05 → 0.2. A rollout keeps the rule it began with")
