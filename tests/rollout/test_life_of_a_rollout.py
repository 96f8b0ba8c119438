"""From start to end: what outcomes decide, what ends a rollout before, what holds it back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tests.predictions.builders import a_row, write_rows
from tests.rollout.life import FloatArray, Life
from tests.serving.bundles import PROJECT
from touchline.errors import ReasonMissing, RolloutConflict, RolloutNotRunning
from touchline.rollout import EventNote, Guardrail, Rollout, approve_step, steer

DAY = timedelta(days=1)
SHADOW = Rollout(mode="shadow", min_days=3, longest_days=60)


def days(life: Life, count: int, *, rows: int = 100, new: float, old: float) -> None:
    """Days in which each model's probability is the truth, blurred by so much."""
    for _ in range(count):
        truth = life.rng.uniform(0.05, 0.95, rows)
        candidate, production = (np.clip(truth + life.rng.normal(0, blur, rows), 0.01, 0.99) for blur in (new, old))
        life.a_day(rows, candidate=candidate, production=production, truth=truth)
        life.check()
        if life.ended:
            return


def test_a_better_version_is_promoted_not_before_its_shortest_duration(tmp_path: Path) -> None:
    life = Life(tmp_path)
    started = life.start(SHADOW)
    days(life, 2, rows=300, new=0.0, old=0.3)
    assert life.report().verdict == "better"
    assert (life.ended, life.done) == (None, [])
    days(life, 1, new=0.0, old=0.3)
    assert life.ended == "promoted"
    assert life.done[0].startswith("promote 2: rollout 1: version 2 is better: both witnesses agreed after")
    state = life.records.newest()
    assert state is not None
    kinds = [event.kind for event in state.events]
    assert kinds == ["start", "verdict", "promoted"]
    assert state.experiment.rule_hash == started.experiment.rule_hash == state.rule.hash
    evidence = state.events[-1].evidence
    assert evidence is not None
    assert evidence["units"] == 700
    assert life.check() is None


def test_the_gain_is_that_of_the_pairs_by_hand(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    labels, gains = [], []
    for day in range(2):
        candidate, production = life.rng.uniform(0.2, 0.8, (2, 50))
        examples = life.predict(candidate, production)
        life.clock.instant += DAY
        drawn = life.rng.random(50) < 0.5
        life.tell([(name, "yes" if yes else "no") for name, yes in zip(examples, drawn, strict=True)])
        labels.append(day)
        new, old = (np.where(drawn, chance, 1 - chance) for chance in (candidate, production))
        gains += (np.log(new) - np.log(old)).tolist()
    report = life.report()
    assert report.evidence.test is not None
    assert report.evidence.test.gain == pytest.approx(np.mean(gains), rel=1e-12)
    assert (report.evidence.units, report.verdict) == (100, "undecided")
    assert report.sentence.startswith("Undecided: version 2 has ")
    assert len(report.evidence.curve) > 10


@pytest.mark.parametrize(
    ("new", "old", "end", "sentence"),
    [
        (0.3, 0.0, "aborted", "The rollout of version 2 was aborted: version 2 is worse"),
        (0.02, 0.02, "kept", "Version 1 stayed in Production: the versions are equivalent within 0.03"),
    ],
)
def test_a_worse_or_equivalent_version_leaves_production_as_it_is(
    tmp_path: Path, new: float, old: float, end: str, sentence: str
) -> None:
    life = Life(tmp_path)
    life.start(SHADOW.model_copy(update={"margin": 0.03}))
    days(life, 30, rows=200, new=new, old=old)
    assert (life.ended, life.done) == (end, [])
    assert life.report().sentence.startswith(sentence)


def test_at_the_end_the_alpha_kept_for_it_decides_by_the_t_test(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="shadow", min_days=1, longest_days=5, margin=0.0001))
    days(life, 4, rows=30, new=0.10, old=0.17)
    assert life.ended is None
    report = life.report()
    assert report.verdict == "undecided"
    gains = gains_of(report.evidence.test)
    days(life, 1, rows=30, new=0.10, old=0.17)
    after = life.report()
    p_value = ttest_1samp(gains_by_hand(life), 0, alternative="greater").pvalue
    assert gains == report.evidence.test.gain  # type: ignore[union-attr]
    assert life.ended == ("promoted" if p_value <= 0.01 else "kept"), (p_value, after.sentence)


def gains_of(test: object) -> float:
    return float(test.gain)  # type: ignore[attr-defined]


def gains_by_hand(life: Life) -> FloatArray:
    """The gains of all pairs, read from the tables without the code under test."""
    with life.database.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT a.output, s.output, o.label FROM predictions s JOIN predictions a ON a.prediction_id = s.answer_id "
            "JOIN outcomes o ON o.example_id = a.example_id WHERE s.role = 'shadow'"
        ).fetchall()
    import json

    found = []
    for answer, shadow, label in rows:
        name = json.loads(label)
        old, new = (json.loads(output)["probabilities"][name] for output in (answer, shadow))
        found.append(np.log(max(new, 0.005)) - np.log(max(old, 0.005)))
    return np.array(found)


def test_a_split_climbs_its_steps_and_ends_with_a_promotion(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="ab", unit="example_id", steps=(10, 50, 100), min_days=2, longest_days=60))
    days(life, 30, rows=200, new=0.0, old=0.35)
    state = life.records.newest()
    assert state is not None
    assert life.ended == "promoted"
    assert [event.share for event in state.events if event.kind in ("start", "step")] == [10, 50]
    report = life.report()
    ratio = report.evidence.ratio
    assert ratio is not None
    assert not ratio.is_broken
    assert report.evidence.losses is not None
    assert report.evidence.losses[0] < report.evidence.losses[1]


def test_a_canary_is_decided_by_its_guardrails_alone(tmp_path: Path) -> None:
    life = Life(tmp_path)
    guardrails = (Guardrail.errors(margin=0.05),)
    life.start(Rollout(mode="canary", unit="example_id", steps=(50, 100), min_days=1, guardrails=guardrails))
    days(life, 6, rows=200, new=0.9, old=0.0)  # what outcomes say is nobody's question here
    assert life.ended == "promoted"
    assert "every guardrail is shown to hold" in life.report().sentence


def test_a_step_that_needs_approval_waits_for_it(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW.model_copy(update={"approval": True}))
    with pytest.raises(RolloutNotRunning, match="has no step that waits for a person cannot be approved"):
        approve_step(life.context, actor="ann", reason="")
    days(life, 5, new=0.0, old=0.3)
    assert life.ended is None
    assert "Promotion waits for a person" in life.report().next_step
    approve_step(life.context, actor="ann", reason="looked at it")
    life.check()
    assert life.ended == "promoted"


def test_the_approval_of_a_step_is_none_of_the_promotion_that_is_due_instead(tmp_path: Path) -> None:
    life = Life(tmp_path)
    split = Rollout(mode="ab", unit="example_id", steps=(40, 60, 100), min_days=2, longest_days=60, approval=True)
    life.start(split)
    days(life, 3, rows=20, new=0.0, old=0.3)  # too few to decide, wherever the salt sends them
    assert "The step to 60 % waits for a person" in life.report().next_step
    with pytest.raises(ReasonMissing, match="Approving a step"):
        approve_step(life.context, actor="ann", reason="  ")
    approve_step(life.context, actor="ann", reason="the first step")
    for _ in range(12):
        life.a_day(200, candidate=np.full(200, 0.8), production=np.full(200, 0.4), truth=np.full(200, 0.8))
    life.check()
    assert life.ended is None
    assert "Promotion waits for a person" in life.report().next_step
    approve_step(life.context, actor="ann", reason="now all")
    life.check()
    assert life.ended == "promoted"


def test_a_promotion_after_which_requests_need_a_new_field_waits_for_a_person(tmp_path: Path) -> None:
    life = Life(tmp_path, candidate_columns=5)
    state = life.start(SHADOW)
    assert state.rule.new_fields == ("x4",)
    assert "Requests without 'x4' are answered by Production" in state.events[0].message
    lacking = {"experiment": state.experiment.id, "role": "incomplete", "variant": "candidate", "project": PROJECT}
    write_rows(life.database, [a_row(f"{n:025d}x", **lacking) for n in range(3)])
    write_rows(life.database, [a_row(f"{n:025d}y", **{**lacking, "role": "failed"}) for n in range(2)])
    for _ in range(20):
        life.a_day(60, candidate=np.full(60, 0.8), production=np.full(60, 0.5), truth=np.full(60, 0.8))
        life.check()
    assert life.done == []
    report = life.report()
    assert "3 of requests that lack a field of the candidate, 2 that the candidate failed to make" in report.sentence
    assert report.next_step.startswith("Promotion, which refuses requests without 'x4' from then on, waits for a")
    approve_step(life.context, actor="anna", reason="clients send it")
    life.check()
    assert life.ended == "promoted"


def test_a_pause_lets_production_answer_and_a_person_resumes_or_aborts(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="ab", unit="example_id", min_days=1))
    steer(life.context, "pause", actor="ann", reason="release freeze")
    paused = life.records.running()
    assert paused is not None
    assert (paused.status, paused.share, paused.routing) == ("paused", 0, None)
    with pytest.raises(RolloutNotRunning, match="a rollout that is paused cannot be paused"):
        steer(life.context, "pause", actor="ann", reason="")
    with pytest.raises(ReasonMissing, match="Resuming a rollout needs a reason"):
        steer(life.context, "resume", actor="ann", reason=" ")
    resumed = steer(life.context, "resume", actor="ann", reason="the freeze is over").state
    assert (resumed.status, resumed.share) == ("running", 10)
    steer(life.context, "abort", actor="ann", reason="enough")
    assert life.ended == "aborted"
    with pytest.raises(RolloutNotRunning, match="does not run"):
        steer(life.context, "resume", actor="ann", reason="")


def test_a_production_replaced_in_the_middle_ends_it_without_a_decision(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    life.releases[3] = life.releases[1]
    life.move(2, "Archived")
    life.check()
    assert life.ended == "superseded"
    assert "version 2 left Staging" in life.report().sentence


def test_a_version_promoted_by_hand_is_no_decision_of_its_rollout(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="canary", unit="example_id"))
    life.move(2, "Production", actor="ann", reason="the old one is broken")
    report = life.check()
    assert report is not None
    assert (life.ended, life.done, report.state.events[-1].actor) == ("superseded", [], "ann")
    expected = "answers every request; the rollout had given it 10 % of the units (ann: the old one is broken)"
    assert report.sentence.endswith(expected)


def test_a_promotion_whose_record_was_lost_is_still_that_of_its_rollout(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    life.move(2, "Production", actor="rollout", reason="rollout 1: version 2 is better")
    report = life.check()
    assert report is not None
    assert (life.ended, report.sentence) == ("promoted", "Version 2 was promoted: version 2 is better")


def test_two_checks_at_once_do_not_both_write(tmp_path: Path) -> None:
    life = Life(tmp_path)
    first = life.start(SHADOW)
    life.records.add(first, "pause", EventNote("one"), clock=life.clock)
    with pytest.raises(RolloutConflict):
        life.records.add(first, "pause", EventNote("two"), clock=life.clock)


def test_a_harmful_refresh_is_rolled_back_and_a_harmless_one_stays(tmp_path: Path) -> None:
    harmful = Life(tmp_path / "harmful")
    harmful.hold_out(Rollout(holdout_days=30))
    days(harmful, 20, new=0.0, old=0.3)  # the candidate of a holdout is the predecessor
    assert harmful.ended == "rolled_back"
    assert harmful.done[0].startswith("roll back: holdout 1: version 2 is worse than its predecessor")
    harmless = Life(tmp_path / "harmless")
    harmless.hold_out(Rollout(holdout_days=5))
    days(harmless, 6, new=0.1, old=0.05)
    assert (harmless.ended, harmless.done) == ("kept", [])


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    for name in ("harmful", "harmless"):
        (tmp_path / name).mkdir()


def test_probabilities_that_miss_the_frequency_breach_a_calibration_guardrail(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="shadow", min_days=1, guardrails=(Guardrail.calibration(margin=0.05),), margin=0.0001))
    for _ in range(6):
        life.a_day(100, candidate=np.full(100, 0.65), production=np.full(100, 0.35), truth=np.full(100, 0.5))
        life.check()
    assert life.ended == "aborted"
    assert "frequency minus predicted, in points: yes -1" in life.report().sentence


def test_a_holdout_ends_with_its_realised_gain(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.hold_out(Rollout(holdout_days=5))
    days(life, 6, new=0.2, old=0.1)
    gains = -gains_by_hand(life)
    assert f"the realised gain in log_loss is {gains.mean():.4f} (from " in life.report().sentence


def test_where_a_gate_has_shown_the_gain_it_is_enough_to_be_no_worse_by_the_margin(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW.model_copy(update={"margin": 0.03, "needs": "not_worse"}))
    days(life, 30, rows=200, new=0.02, old=0.02)
    assert life.ended == "promoted"
    assert "version 2 is not worse by more than 0.03" in life.done[0]
