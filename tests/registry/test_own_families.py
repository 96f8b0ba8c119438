"""Estimators that a project brings itself go the whole way: recorded, gated, released, restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.registry.builders import NOW, a_frame, a_task, a_training_set
from tests.registry.test_mlflow import as_mlflow_says
from touchline.errors import UnknownPlugin
from touchline.features import decode
from touchline.registry import (
    Decision,
    Gate,
    GateInputs,
    Registry,
    Releases,
    Trained,
    declared_families,
    load_release,
    promote,
    record_version,
)
from touchline.serving import JournalReleases
from touchline.training import Candidate, Training, train
from touchline.training.estimators.base import FitRequest
from touchline.training.estimators.sklearn_bridge import SklearnFamily

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Nearest:
    """The class whose mean is nearest, as a share that falls with the distance."""

    means: np.ndarray
    settled: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        close = np.exp(-((matrix[:, None, :] - self.means) ** 2).sum(axis=2) / matrix.shape[1])
        return np.asarray(close / close.sum(axis=1, keepdims=True))

    def export(self, folder: Path) -> None:
        np.save(folder / "means.npy", self.means)


@dataclass(frozen=True)
class NearestFamily:
    """What a project would declare in its own code."""

    name: str = "nearest"
    layout: str = "dense"
    kinds: frozenset[str] = frozenset({"binary", "multiclass"})

    def defaults(self, kind: str) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def suggest(self, trial: Any, kind: str) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def fit(self, request: FitRequest) -> Nearest:
        labels = request.fit.labels
        return Nearest(np.stack([request.fit.matrix[labels == code].mean(axis=0) for code in range(request.classes)]))

    def restore(self, folder: Path) -> Nearest:
        return Nearest(np.load(folder / "means.npy"))


def trained_by(family: Any, *, blend: bool = False) -> tuple[Trained, GateInputs]:
    other: tuple[str, ...] = ("logistic",) if blend else ()
    training = Training(
        candidates=(Candidate(name="own", family=family), *other), calibration=("none",), smote=False, test=0.4
    )
    training_set = a_training_set(a_frame())
    result = train(a_task(), training, training_set, now=NOW)
    inputs = GateInputs(
        (Gate("accuracy", at_least=0.6), Gate.latency(at_most_ms=1000)), families=lambda _: declared_families(training)
    )
    return Trained("p", a_task(), training_set, result), inputs


def test_a_familys_own_export_and_restore_carry_it_into_production(registry: Registry) -> None:
    trained, inputs = trained_by(NearestFamily())
    record_version(registry, trained)
    release = promote(registry, "p", 1, Decision("ann"), inputs=inputs).release
    assert release is not None
    vectors = trained.result.self_test.vectors
    restored = load_release(release.path, digest=release.digest, families=inputs.families("p"))
    assert np.array_equal(restored.model.predict(vectors), trained.result.model.predict(vectors))
    with pytest.raises(UnknownPlugin, match="nearest"):
        load_release(release.path, digest=release.digest)
    served = JournalReleases("p", registry.journal, Releases(registry, inputs.families)).load(release.id)
    assert np.array_equal(served.model.predict(vectors), trained.result.model.predict(vectors))


def test_a_scikit_learn_estimator_needs_no_declaration_to_be_restored(registry: Registry) -> None:
    from sklearn.naive_bayes import GaussianNB

    trained, inputs = trained_by(SklearnFamily("bayes", GaussianNB()))
    version = record_version(registry, trained).version
    release = promote(registry, "p", 1, Decision("ann"), inputs=inputs).release
    assert release is not None
    vectors = trained.result.self_test.vectors
    expected = trained.result.model.predict(vectors)
    assert np.array_equal(load_release(release.path).model.predict(vectors), expected)
    said = as_mlflow_says(registry, version.version, decode(trained.result.model.columns, vectors))
    assert np.abs(said - expected).max() <= 1e-9
