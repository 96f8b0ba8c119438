"""What a rollout says before it starts, from past pairs and the rate of outcomes."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from tests.predictions.builders import a_row, write_rows
from tests.rollout.life import FloatArray, Life
from tests.serving.bundles import PROJECT
from touchline.errors import RolloutRefused
from touchline.rollout import Rollout
from touchline.rollout.rule import RolloutRule, Side
from touchline.storage.tables import model_versions


def past(life: Life, *, new: float, old: float, a_day: int, shared: float = 0.0, rows: int = 900) -> None:
    """What the gates compared (30 days with a shared part of each model's fault), and 90 days of outcomes."""
    days = np.repeat(np.arange(30), rows // 30)
    truth = life.rng.uniform(0.1, 0.9, rows)
    blurs = [life.rng.normal(0, blur, rows) + shared * life.rng.normal(size=30)[days] for blur in (new, old)]
    ours, theirs = (np.clip(truth + blur, 0.01, 0.99) for blur in blurs)
    labels = life.rng.random(rows) < truth
    key = f"{PROJECT}/runs/2"
    with life.database.begin() as connection:
        connection.execute(model_versions.update().where(model_versions.c.version == 2).values(object_key=key))
    life.objects.write(f"{key}/predictions.parquet", table(ours, labels, days))
    life.objects.write(f"{key}/opponents/1.parquet", table(theirs, labels, days))
    for _ in range(90):
        life.a_day(a_day, candidate=np.full(a_day, 0.5), production=np.full(a_day, 0.5), truth=np.full(a_day, 0.5))


def table(chances: FloatArray, labels: np.ndarray[tuple[int], np.dtype[np.bool_]], days: np.ndarray) -> bytes:  # type: ignore[type-arg]
    buffer = BytesIO()
    pl.DataFrame(
        {
            "example_id": [f"past{n}" for n in range(len(chances))],
            "cutoff": days,
            "cluster": [f"day{day}" for day in days],
            "label": np.where(labels, "yes", "no"),
            "p_no": 1 - chances,
            "p_yes": chances,
        }
    ).write_parquet(buffer)
    return buffer.getvalue()


def test_a_plan_says_outcomes_and_a_date_at_the_rate_of_the_last_90_days(tmp_path: Path) -> None:
    life = Life(tmp_path)
    past(life, new=0.05, old=0.2, a_day=10)
    plan = life.start(Rollout(mode="shadow")).experiment.plan
    assert plan is not None
    assert plan["per_day"] == pytest.approx(10, rel=0.02)
    assert plan["low"] <= plan["units"] <= plan["high"]
    until = life.clock.now() + timedelta(days=plan["units"] / plan["per_day"])
    assert plan["until"] == until.isoformat()
    expected = (
        f"About {plan['units']} outcomes (four times in five between {plan['low']} and {plan['high']}), until about"
    )
    assert plan["sentence"].startswith(expected)


def test_a_young_project_whose_requests_name_no_example_has_a_rate(tmp_path: Path) -> None:
    life = Life(tmp_path)
    past(life, new=0.05, old=0.2, a_day=0)
    ids = [f"{n:026d}" for n in range(70)]
    write_rows(life.database, [a_row(one, project=PROJECT) for one in ids])
    life.tell([(one, "yes") for one in ids])
    plan = life.start(Rollout(mode="shadow")).experiment.plan
    assert plan is not None
    assert plan["per_day"] == 10  # of a project of less than a week: over a week
    assert "at 10 outcomes a day, as in the last 7 days" in plan["sentence"]


def test_a_split_needs_more_units_than_a_shadow_needs_pairs(tmp_path: Path) -> None:
    units = []
    for name, declared in (
        ("a", Rollout(mode="shadow")),
        ("b", Rollout(mode="ab", unit="example_id", steps=(50, 100))),
    ):
        (tmp_path / name).mkdir()
        life = Life(tmp_path / name)
        past(life, new=0.0, old=0.35, a_day=30)
        plan = life.start(declared).experiment.plan
        assert plan is not None
        units.append(plan["units"])
    assert units[1] > 3 * units[0]


def test_a_rollout_that_cannot_end_in_time_is_refused_with_the_reason(tmp_path: Path) -> None:
    life = Life(tmp_path)
    past(life, new=0.10, old=0.11, a_day=1)
    with pytest.raises(RolloutRefused, match="it would not decide within its longest duration: no decision is likely"):
        life.start(Rollout(mode="shadow", longest_days=60))


@pytest.mark.parametrize(("shared", "each"), [(0.0, True), (0.25, False)])
def test_outcomes_of_a_day_count_one_by_one_only_where_past_gains_of_a_day_were_uncorrelated(
    tmp_path: Path, shared: float, each: bool
) -> None:
    life = Life(tmp_path)
    past(life, new=0.02, old=0.3, a_day=30, shared=shared)
    state = life.start(Rollout(mode="shadow", cluster=True, longest_days=900))
    assert state.rule.counts_each is each
    assert state.experiment.plan is not None
    assert ("outcomes" if each else "clusters") in state.experiment.plan["sentence"]


def test_a_rollout_without_steps_says_what_steps_are() -> None:
    with pytest.raises(ValidationError, match=r"steps are empty; they are percentages that rise and end at 100"):
        Rollout(mode="ab", steps=())


def test_one_of_what_is_counted_is_named_in_the_singular() -> None:
    rule = RolloutRule("shadow", Side(2, "b"), Side(1, "a"), ("no", "yes"), has_clusters=True)
    assert [rule.counted(count) for count in (1, 2)] == ["1 cluster", "2 clusters"]
