"""Damaged outcomes while a rollout decides: no wrong promotion, and a person is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.rollout.life import Life
from tests.rollout.test_values import Numbers
from tests.serving.bundles import PROJECT
from touchline.errors import RolloutWouldHold
from touchline.predictions import Outcome, OutcomeRecords
from touchline.rollout import Rollout, steer

SHADOW = Rollout(mode="shadow", min_days=1, longest_days=60)
Labels = Sequence[tuple[str, str]]


def misspelt(life: Life, labels: Labels) -> None:
    """A new export writes one class in another way."""
    life.tell([(example, {"yes": "Yes "}.get(label, label)) for example, label in labels])


def changed_afterwards(life: Life, labels: Labels) -> None:
    life.tell(labels)
    life.tell([(example, "no") for example, _ in labels])


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (misspelt, "are no class or number that the model predicts"),
        (changed_afterwards, "have another label now than the one that came first"),
    ],
)
def test_damage_that_favours_the_candidate_holds_its_rollout(
    tmp_path: Path, damage: Callable[[Life, Labels], None], fault: str
) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    for _ in range(4):  # the candidate never expects what happens in four cases of ten
        examples = life.predict(np.full(100, 0.05), np.full(100, 0.4))
        life.clock.instant += timedelta(days=1)
        drawn = life.rng.random(100) < 0.4
        damage(life, [(name, "yes" if is_yes else "no") for name, is_yes in zip(examples, drawn, strict=True)])
        report = life.check()
    assert report is not None
    assert (life.done, life.ended, report.status, report.verdict) == ([], None, "held", "undecided")
    assert [event.kind for event in report.state.events] == ["start", "hold"]  # an incident of its own
    assert fault in report.state.events[-1].message
    assert "the versions do not compare, since of " in report.sentence
    life.clock.instant += timedelta(days=60)
    life.check()
    assert (life.done, life.ended) == ([], "kept")


def test_mended_outcomes_decide_once_a_person_resumes(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    examples = life.predict(np.full(400, 0.1), np.full(400, 0.5))
    life.clock.instant += timedelta(days=1)
    every_tenth = [(name, "yes") for name in examples[::10]]
    misspelt(life, every_tenth)
    life.tell([(name, "no") for n, name in enumerate(examples) if n % 10])
    life.check()
    assert life.report().status == "held"
    life.tell(every_tenth)
    assert life.report().verdict == "undecided"  # a tenth of all labels changed, which is suspect too
    with pytest.raises(RolloutWouldHold, match="of 400 outcomes 40 have another label now"):
        steer(life.context, "resume", actor="ann", reason="the export was mended")
    later = life.predict(np.full(800, 0.1), np.full(800, 0.5))
    life.clock.instant += timedelta(days=1)
    life.tell([(name, "yes" if n % 10 == 0 else "no") for n, name in enumerate(later)])
    steer(life.context, "resume", actor="ann", reason="the export was mended")
    life.check()
    assert life.ended == "promoted"


def test_outcomes_that_come_again_or_of_unknown_examples_count_for_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    examples = life.predict(np.full(60, 0.3), np.full(60, 0.4))
    life.clock.instant += timedelta(days=1)
    labels = [(name, "yes" if n % 3 else "no") for n, name in enumerate(examples)]
    life.tell(labels)
    before = life.report().evidence
    for _ in range(3):
        life.tell([*labels, *((f"unknown{n}", "no") for n in range(500))])
        life.clock.instant += timedelta(hours=1)
    after = life.report().evidence
    assert (after.units, after.corrected, after.damaged.fault) == (60, 0, None)
    assert after.test == before.test


def test_values_beyond_all_that_the_rollout_has_seen_hold_it(tmp_path: Path) -> None:
    life = Numbers(tmp_path)
    life.compared()
    life.start(Rollout(min_days=0))
    for _ in range(3):
        life.values(100, new=4.0, old=4.0)
    absurd = [Outcome(1e12, example_id=f"e{life.count + n + 1}") for n in range(40)]
    life.values(40, new=4.0, old=4.0)
    OutcomeRecords(life.database, PROJECT).record(absurd, source="tests", now=life.clock.now())
    report = life.check()
    assert report is not None
    assert (life.done, report.status, report.verdict) == ([], "held", "undecided")
    assert "40 lie out of the range that the rollout began with, and 40 have another label now" in report.sentence
