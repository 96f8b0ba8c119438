"""Rollouts that are refused, outcomes that do not count, splits that are broken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.predictions.builders import a_row, write_rows
from tests.rollout.life import START, Life
from tests.serving.bundles import PROJECT
from touchline.errors import RolloutRefused, RolloutWouldHold
from touchline.predictions import Outcome, OutcomeRecords
from touchline.rollout import Guardrail, Rollout, steer
from touchline.rollout.outcome_pairs import class_number
from touchline.rollout.shared_outcomes import shared_outcomes

SHADOW = Rollout(mode="shadow", min_days=1)
AB = Rollout(mode="ab", unit="example_id", steps=(50, 100), min_days=1)
HALF = np.full(40, 0.5)


def test_only_the_version_in_staging_beside_a_production_is_rolled_out_and_one_at_a_time(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with pytest.raises(
        RolloutRefused, match=r"version 1: no rollout was .* it is in Production.*touchline models list"
    ):
        life.start(SHADOW, version=1)
    life.start(SHADOW)
    with pytest.raises(RolloutRefused, match="another one runs: that of version 2, since 2024-01-01"):
        life.start(SHADOW)
    empty = Life(tmp_path / "empty")
    empty.move(1, "Archived")
    with pytest.raises(RolloutRefused, match="nothing is in Production to compare it with"):
        empty.start(SHADOW)


def test_a_unit_that_is_no_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(RolloutRefused, match=r"its unit 'x9' is no field of a request\. Known: example_id, x0"):
        Life(tmp_path).start(Rollout(mode="ab", unit="x9"))


def test_a_unit_that_shares_outcomes_is_refused_from_the_log_and_ended_when_seen(tmp_path: Path) -> None:
    life = Life(tmp_path)
    same = {"project": PROJECT, "example_id": "match-7"}
    write_rows(life.database, [a_row(f"{n:026d}", **same, inputs={"x0": n}, request_id=f"r{n}") for n in range(21)])
    refusal = "its unit, x0, shares outcomes: 20 of 21 units asked for an example of another one, such as match-7"
    with pytest.raises(RolloutRefused, match=refusal):
        life.start(Rollout(mode="ab", unit="x0"))
    with pytest.raises(RolloutRefused, match="its unit, the request, shares outcomes"):
        life.start(Rollout(mode="ab"))
    life.start(AB)
    life.count = 100
    life.predict(HALF[:21], HALF[:21], units=[f"user{n}" for n in range(21)], examples=["match-8"] * 21)
    life.check()
    assert life.ended == "aborted"
    assert "20 of 21 units asked for an example of another one, such as match-8" in life.report().sentence


def test_outcomes_of_later_predictions_of_a_unit_are_said_to_have_arrived(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(AB)
    units = [f"user{n}" for n in range(5)]
    life.predict(HALF[:5], HALF[:5], units=units)
    later = life.predict(HALF[:5], HALF[:5], units=units)
    life.clock.instant += timedelta(days=1)
    assert life.report().sentence.startswith("Undecided: no outcome has arrived yet")
    life.tell([(example, "yes") for example in later[:3]])
    sentence = life.report().sentence
    assert sentence.startswith("Undecided: no outcome that counts has arrived yet")
    assert "5 without an outcome yet, 5 of an example or unit that counts by another one." in sentence
    assert "3 outcomes of later ones do not count." in sentence


def test_a_few_rows_that_share_an_example_are_left_out_and_end_or_refuse_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    same = {"project": PROJECT, "example_id": "invented"}
    write_rows(life.database, [a_row(f"{n:026d}", **same, inputs={"x0": n}) for n in range(3)])
    life.start(Rollout(mode="ab", unit="x0", steps=(50, 100), min_days=1))
    life.count = 100
    customers = ["anna", "ben", "carl"]
    life.predict(HALF[:3], HALF[:3], units=customers, examples=["x1"] * 3)
    examples = life.predict(HALF[:3], HALF[:3], units=customers)
    life.clock.instant += timedelta(days=1)
    life.tell([(example, "yes") for example in examples])
    life.check()
    evidence = life.report().evidence
    assert life.ended is None
    assert (evidence.left_out.shared, evidence.left_out.open, evidence.left_out.repeated) == (2, 1, 1)
    assert (
        evidence.examples == 2
    )  # anna counts by her first request, which was for x1; ben and carl by their own example
    assert "2 of an example that another unit has requested first" in life.report().sentence


def test_a_twentieth_of_the_units_may_share_outcomes_and_no_more() -> None:
    alone = [(f"e{n}", f"u{n}") for n in range(400)]
    shared = [("e0", f"u{n}") for n in range(1, 22)]
    assert not shared_outcomes([*alone, *shared[:20]]).is_common
    assert shared_outcomes([*alone, *shared]).is_common
    assert not shared_outcomes([*alone[:30], *shared[:19]]).is_common


def test_without_outcomes_a_rollout_says_so_and_ends_undecided(tmp_path: Path) -> None:
    life = Life(tmp_path)
    state = life.start(SHADOW)
    assert state.experiment.plan is not None
    assert "No outcome of a prediction has arrived in the last 90 days" in state.experiment.plan["sentence"]
    life.predict(HALF, HALF)
    assert life.report().sentence.startswith("Undecided: no outcome has arrived yet")
    assert "Predictions left out: 40 without an outcome yet." in life.report().sentence
    life.clock.instant += timedelta(days=91)
    life.check()
    assert life.ended == "kept"


def test_what_was_stored_before_the_prediction_or_is_no_class_does_not_count(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    told = OutcomeRecords(life.database, PROJECT)
    told.record([Outcome("yes", example_id="known")], source="tests", now=life.clock.now())
    life.clock.instant += timedelta(days=2)
    life.predict(HALF[:3], HALF[:3], examples=["known", "other", "good"])
    life.clock.instant += timedelta(days=1)
    life.tell([("other", "perhaps"), ("good", "no")])
    evidence = life.report().evidence
    assert (evidence.units, evidence.left_out.early, evidence.left_out.other_label) == (1, 1, 1)


def test_the_last_prediction_of_an_example_counts_and_once(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    life.predict(np.array([0.9]), np.array([0.5]), examples=["e"])
    life.predict(np.array([0.6]), np.array([0.5]), examples=["e"])
    life.clock.instant += timedelta(days=1)
    life.tell([("e", "yes")])
    evidence = life.report().evidence
    assert evidence.test is not None
    assert (evidence.units, evidence.left_out.repeated) == (1, 1)
    assert evidence.test.gain == pytest.approx(np.log(0.6 / 0.5))


def test_a_corrected_outcome_is_counted_as_corrected(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    life.predict(np.array([0.8]), np.array([0.5]), examples=["e"])
    life.clock.instant += timedelta(days=1)
    for label, gain in (("yes", 0.8), ("no", 0.2)):
        life.tell([("e", label)])
        evidence = life.report().evidence
        assert evidence.test is not None
        assert evidence.test.gain == pytest.approx(np.log(gain / 0.5))
    assert life.report().evidence.corrected == 1
    assert "Outcomes corrected afterwards: 1." in life.report().sentence


def test_a_prediction_counts_once_it_is_mature_however_early_its_outcome_comes(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="shadow", maturity=timedelta(days=10)))
    examples = life.predict(HALF, HALF)
    life.clock.instant += timedelta(days=1)
    life.tell([(examples[0], "yes")])  # sales are known at once, what is no sale only in the end
    assert life.report().evidence.units == 0
    life.clock.instant += timedelta(days=9)
    life.tell([(example, "no") for example in examples[1:]])
    assert life.report().evidence.units == 40


def test_a_day_counts_as_one_once_it_is_complete_and_one_day_decides_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="shadow", cluster=True, min_days=0))
    examples = life.predict(np.full(40, 0.99), np.full(40, 0.01))
    life.clock.instant += timedelta(days=1)
    life.tell([(example, "yes") for example in examples[1:]])
    assert (life.report().evidence.units, life.report().evidence.left_out.unfinished) == (0, 39)
    life.clock.instant += timedelta(days=8)  # a match that is put off does not hold its day up for ever
    report = life.report()
    assert (report.evidence.units, report.evidence.examples, report.verdict) == (1, 39, "undecided")


def test_anonymous_requests_of_a_day_are_one_cluster(tmp_path: Path) -> None:
    life = Life(tmp_path)
    experiment = life.start(Rollout(mode="shadow", cluster=True, min_days=0)).experiment.id
    for day in range(2):
        ids = [f"{day}{n:025d}" for n in range(5)]
        cutoffs = [life.clock.now() + timedelta(hours=3 * n) for n in range(5)]
        same = {"project": PROJECT, "experiment": experiment, "salt": "s"}
        rows = [
            (
                a_row(one, **same, cutoff=cutoff),
                a_row(f"{one}s", **same, cutoff=cutoff, role="shadow", variant="candidate", answer_id=one),
            )
            for one, cutoff in zip(ids, cutoffs, strict=True)
        ]
        write_rows(life.database, [row for pair in rows for row in pair])
        life.clock.instant += timedelta(days=1)
        life.tell([(one, "yes") for one in ids[day:]])
    evidence = life.report().evidence
    assert (evidence.units, evidence.examples, evidence.left_out.unfinished) == (1, 5, 4)
    life.tell([(f"1{0:025d}", "no")])
    evidence = life.report().evidence
    assert (evidence.units, evidence.examples, evidence.left_out.unfinished) == (2, 10, 0)


@pytest.mark.parametrize(("action", "end"), [("hold", None), ("abort", "aborted"), ("warn", None)])
def test_a_broken_ratio_acts_as_declared(tmp_path: Path, action: str, end: str | None) -> None:
    life = Life(tmp_path)
    state = life.start(AB.model_copy(update={"on_sample_ratio": action}))
    same = {"project": PROJECT, "experiment": state.experiment.id, "salt": "s", "probability": 0.5, "override": False}
    variants = ["candidate"] * 300 + ["production"] * 700
    rows = [a_row(f"{n:026d}", **same, unit=f"u{n}", example_id=f"e{n}", variant=v) for n, v in enumerate(variants)]
    write_rows(life.database, rows)
    report = life.check()
    assert report is not None
    assert life.ended == end
    assert report.evidence.ratio is not None
    assert report.evidence.ratio.is_broken
    assert (report.status == "held") == (action == "hold")
    if action == "hold":
        with pytest.raises(RolloutWouldHold, match=r"300 of 1000 units are the candidate's where 50% were planned"):
            steer(life.context, "resume", actor="ann", reason="looks fine")
        assert life.report().status == "held"


def test_all_outcomes_in_one_arm_decide_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(AB)
    examples = life.predict(np.full(200, 0.99), np.full(200, 0.01))
    with life.database.connect() as connection:
        query = "SELECT example_id FROM predictions WHERE variant = 'candidate' AND role = 'answer'"
        answered = {row[0] for row in connection.exec_driver_sql(query)}
    life.clock.instant += timedelta(days=1)
    life.tell([(example, "no") for example in examples if example in answered])
    report = life.check()
    assert report is not None
    assert (report.evidence.losses, report.verdict, report.status) == (None, "undecided", "held")
    assert "units with an outcome are the candidate's where 50% were planned" in report.state.events[-1].message
    assert f"for {len(answered)} units of version 2 and 0 of version 1" in report.sentence
    assert (report.findings()["gain"], report.findings()["curve"], report.needed) == (None, [], None)
    waiting = life.report().next_step
    assert waiting.startswith(
        f"Held since {len(answered)} of {len(answered)} units with an outcome are the candidate's"
    )


def test_a_split_that_lost_outcomes_of_one_version_gives_no_number_and_no_verdict(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(AB)
    examples = life.predict(np.full(400, 0.9), np.full(400, 0.1))
    with life.database.connect() as connection:
        query = "SELECT example_id FROM predictions WHERE variant = 'candidate' AND role = 'answer'"
        answered = {row[0] for row in connection.exec_driver_sql(query)}
    life.clock.instant += timedelta(days=1)
    others = [example for example in examples if example not in answered][:40]
    life.tell([(example, "yes") for example in [*sorted(answered), *others]])
    report = life.check()
    assert report is not None
    assert (report.verdict, report.status) == ("undecided", "held")
    assert "do not compare" in report.sentence
    assert "log_loss" not in report.sentence


def test_a_model_that_is_sure_and_wrong_is_found_worse_and_one_that_always_says_half_is_judged(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(Rollout(mode="shadow", min_days=0))
    for _ in range(3):
        life.a_day(100, candidate=np.zeros(100), production=np.full(100, 0.5), truth=np.full(100, 0.5))
        life.check()
    assert life.ended == "aborted"


@pytest.mark.parametrize(
    ("label", "classes", "number"),
    [
        ("yes", ("no", "yes"), 1),
        (True, ("false", "true"), 1),
        (0, ("0", "1"), 0),
        (1.0, ("0", "1"), 1),
        (0.5, ("0",), None),
    ],
)
def test_a_label_names_its_class_whatever_its_type(label: object, classes: tuple[str, ...], number: int | None) -> None:
    assert class_number(label, classes) == number  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()


def test_a_version_that_was_decided_on_is_not_rolled_out_again_and_restarts_halve_alpha(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    for restarts in (1, 2):
        steer(life.context, "abort", actor="ann", reason="release freeze")
        state = life.start(SHADOW)
        assert state.rule.witnesses.alpha == pytest.approx(0.05 / 2**restarts)
        assert f"Alpha is {0.05 / 2**restarts:g} instead of 0.05: " in state.events[0].message
    life.clock.instant += timedelta(days=91)
    life.check()
    assert life.ended == "kept"
    with pytest.raises(RolloutRefused, match="rollout 3 has decided on it: nothing was decided in 90 days"):
        life.start(SHADOW)


def test_a_label_that_a_later_file_fills_in_counts_though_it_happened_before_the_prediction(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.clock.instant += timedelta(days=2)
    life.start(SHADOW)
    (example,) = life.predict(HALF[:1], HALF[:1])
    outcome = Outcome("yes", example_id=example, label_timestamp=START)
    OutcomeRecords(life.database, PROJECT).record([outcome], source="ingest", now=life.clock.now() + timedelta(days=1))
    assert life.report().evidence.units == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"longest_days": 1e9}, "less than or equal to 3650"),
        ({"margin": float("inf")}, "finite number"),
        ({"holdout_days": float("inf")}, "less than or equal to 3650"),
        ({"maturity": timedelta(days=100)}, "is not below longest_days=90"),
        ({"overrides": {"anna": "candidate"}}, "say with unit= which request field"),
        ({"overrides": {"anna": "candidate"}, "unit": "user"}, "in a shadow Production answers all of them"),
        ({"guardrails": (Guardrail.errors(), Guardrail.errors(margin=0.1))}, "one of each kind at most"),
        ({"guardrails": (Guardrail.slow(),)}, "in a shadow the candidate answers none"),
        ({"steps": (True, 100)}, "valid integer"),
        ({"mode": "split"}, "'shadow', 'ab' or 'canary'"),
        ({"alpha": 0.7}, "less than 0.5"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rollout(**wrong)  # type: ignore[arg-type]
