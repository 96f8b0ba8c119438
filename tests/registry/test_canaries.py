"""Canaries: what has learned nothing, or has seen the answer, must not get past its run."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tests.registry.builders import NOW, a_frame, a_task, a_training_set
from tests.registry.test_promote import ANN
from touchline.errors import GateFailed, LeakageFound
from touchline.features import ColumnSpec
from touchline.registry import Gate, GateInputs, Registry, Trained, promote, read_version, record_version
from touchline.training import Training, train

PLAIN = Training(candidates=("logistic", "lightgbm"), calibration=("none",), test=0.4, validation=0.2)


def test_a_version_of_shuffled_labels_fails_its_gate(registry: Registry) -> None:
    frame = a_frame()
    training_set = a_training_set(frame.with_columns(label=frame["label"].shuffle(seed=5)), "shuffled")
    result = train(a_task(), PLAIN, training_set, now=NOW)
    record_version(registry, Trained("p", a_task(), training_set, result))
    with pytest.raises(GateFailed, match="not surely better than that of the constant baseline"):
        promote(registry, "p", 1, ANN, inputs=GateInputs((Gate.improves("log_loss"),)))
    assert read_version(registry, "p", 1).release_id is None


def test_a_feature_from_the_future_ends_the_run_before_there_is_a_version() -> None:
    frame = a_frame().with_columns(refund=pl.when(pl.col("label") == "yes").then(pl.col("noise")))
    honest = a_training_set(frame)
    leaking = replace(honest, columns=(*honest.columns, ColumnSpec("refund", "number")))
    with pytest.raises(LeakageFound, match="'refund' alone separates the classes"):
        train(a_task(), PLAIN, leaking, now=NOW)
