"""A transform that takes the cutoff computes in a release what it computed in training."""

from __future__ import annotations

import numpy as np
import pytest

from tests.registry import transforms
from tests.registry.builders import NOW, a_frame, a_task, sign_again
from touchline.errors import TransformBroken
from touchline.features import RowPlan, TrainingSet, build_training_set, on_demand
from touchline.registry import Registry, Trained, build_release, load_release, read_version, record_version
from touchline.registry.release.manifest import ReleaseManifest
from touchline.training import Task, Training, train

INPUTS = ["signal", "noise", "group"]


def a_trained(registry: Registry) -> tuple[TrainingSet, Task]:
    """A version 1 whose model has a column that is computed from the cutoff."""
    drift = on_demand(transforms.drift)
    task = a_task().model_copy(update={"on_demand": (*a_task().on_demand, drift)})
    training_set = build_training_set(a_frame().drop("gap"), [], {}, INPUTS, task.on_demand)
    training = Training(candidates=("logistic",), calibration=("none",), test=0.4, learning_curve=False)
    record_version(registry, Trained("p", task, training_set, train(task, training, training_set, now=NOW)))
    return training_set, task


def test_a_release_gives_the_columns_of_the_training_set_at_their_cutoffs(registry: Registry) -> None:
    training_set, _ = a_trained(registry)
    release = load_release(build_release(registry, read_version(registry, "p", 1)).path)
    rows, expected = training_set.frame.head(40), training_set.vectors(training_set.frame.head(40))
    assert np.ptp(expected[:, -1]) > 0
    vectors = RowPlan(release.columns, release.transforms).vectors(rows.to_dicts(), rows["cutoff"].to_list())
    assert np.array_equal(vectors, expected)


def test_the_self_test_of_a_release_covers_the_cutoff(registry: Registry) -> None:
    a_trained(registry)
    path = build_release(registry, read_version(registry, "p", 1)).path
    source = path / "transforms" / "tests.registry.transforms.py"
    source.write_text(source.read_text().replace("np.sin(cutoff / day)", "np.sin(cutoff / day + 1)"))
    manifest = ReleaseManifest.from_bytes((path / "release.json").read_bytes())
    assert [code.inputs for code in manifest.on_demand] == [("signal", "noise"), ("signal", "cutoff")]
    sign_again(path)
    with pytest.raises(TransformBroken, match="'drift' gives other values of 'drift' than at training"):
        load_release(path)
