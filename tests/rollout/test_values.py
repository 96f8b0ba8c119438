"""Rollouts of models that predict numbers: the same tests on squared errors, in a range known before."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.predictions.builders import a_row, write_rows
from tests.rollout.life import Life
from tests.serving.bundles import PROJECT
from touchline.errors import RolloutRefused
from touchline.predictions import Outcome, OutcomeRecords
from touchline.rollout import Guardrail, Rollout
from touchline.storage.tables import model_versions


class Numbers(Life):
    """The life of a rollout whose versions predict numbers around 100."""

    def __post_init__(self) -> None:
        super().__post_init__()
        with self.database.begin() as connection:
            connection.execute(model_versions.update().values(classes=[], object_key=f"{PROJECT}/runs/2"))

    def compared(self, rows: int = 300) -> None:
        """What the gates compared: labels from 70 to 130, Production's errors of 5."""
        labels = self.rng.uniform(70, 130, rows)
        for name in ("predictions", "opponents/1"):
            buffer = BytesIO()
            same = {"example_id": [f"past{n}" for n in range(rows)], "cutoff": range(rows), "cluster": range(rows)}
            values = labels + self.rng.normal(0, 5, rows)
            pl.DataFrame({**same, "label": labels, "value": values}).write_parquet(buffer)
            self.objects.write(f"{PROJECT}/runs/2/{name}.parquet", buffer.getvalue())

    def values(self, rows: int, *, new: float, old: float) -> None:
        """A day of predictions with errors of so much."""
        state = self.records.running()
        assert state is not None
        truth = self.rng.uniform(70, 130, rows)
        errors = self.rng.normal(0, new, rows), self.rng.normal(0, old, rows)
        for value, ours, theirs in zip(truth, *errors, strict=True):
            self.count += 1
            identity = f"{self.count:026d}"
            same = {"project": PROJECT, "example_id": f"e{self.count}", "cutoff": self.clock.now()}
            shadow = {"role": "shadow", "experiment": state.experiment.id, "answer_id": identity}
            answer = a_row(identity, **same, output={"value": value + theirs})
            write_rows(self.database, [answer, a_row(f"{identity}s", **same, **shadow, output={"value": value + ours})])
        self.clock.instant += timedelta(days=1)
        labels = [Outcome(float(value), example_id=f"e{self.count - rows + n + 1}") for n, value in enumerate(truth)]
        OutcomeRecords(self.database, PROJECT).record(labels, source="tests", now=self.clock.now())


@pytest.mark.parametrize(("new", "old", "end"), [(3.0, 6.0, "promoted"), (6.0, 3.0, "aborted")])
def test_squared_errors_decide(tmp_path: Path, new: float, old: float, end: str) -> None:
    life = Numbers(tmp_path)
    life.compared()
    rule = life.start(Rollout(min_days=0)).rule
    assert rule.metric == "mse"
    assert rule.bounds[0] == pytest.approx(40, abs=2)
    assert rule.bounds[1] == pytest.approx(160, abs=2)
    assert rule.spread == pytest.approx(5, rel=0.2)
    assert rule.margin == pytest.approx(0.02 * 25, rel=0.3)
    for _ in range(8):
        life.values(150, new=new, old=old)
        life.check()
        if life.ended:
            break
    assert life.ended == end
    losses = life.report().evidence.losses
    assert losses is not None
    assert losses[0] == pytest.approx(new**2, rel=0.3)
    assert losses[1] == pytest.approx(old**2, rel=0.3)


def test_without_a_comparison_or_with_a_metric_of_classes_it_is_refused(tmp_path: Path) -> None:
    life = Numbers(tmp_path)
    with pytest.raises(RolloutRefused, match="the gates have compared too few rows to say in which range"):
        life.start(Rollout())
    with pytest.raises(RolloutRefused, match="metric 'brier' is not one of a model that predicts numbers"):
        life.start(Rollout(metric="brier"))


def test_a_value_that_is_no_number_does_not_count(tmp_path: Path) -> None:
    life = Numbers(tmp_path)
    life.compared()
    life.start(Rollout())
    life.values(2, new=1.0, old=1.0)
    outcome = Outcome("many", example_id="e1")
    OutcomeRecords(life.database, PROJECT).record([outcome], source="tests", now=life.clock.now())
    evidence = life.report().evidence
    assert (evidence.units, evidence.left_out.other_label) == (1, 1)
    assert np.isfinite(evidence.test.gain)  # type: ignore[union-attr]


def test_a_guardrail_on_the_calibration_of_numbers_is_refused(tmp_path: Path) -> None:
    declared = Rollout(mode="canary", unit="example_id", guardrails=(Guardrail.errors(), Guardrail.calibration()))
    with pytest.raises(RolloutRefused, match=r"it predicts numbers.*without Guardrail.calibration\(\)"):
        Numbers(tmp_path).start(declared)
