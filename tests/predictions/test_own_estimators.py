"""An estimator of a project's own code is replayed and verified like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.predictions.builders import NOW, a_row, write_rows
from tests.registry.test_own_families import NearestFamily
from tests.serving.bundles import CLASSES, PROJECT, Registry, a_model, a_request
from touchline.errors import UnknownPlugin
from touchline.predictions import Sample, replay, replay_sample, verify_features
from touchline.registry import Releases

OWN = {"nearest": NearestFamily()}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.open(tmp_path)


def _log_answers(registry: Registry, release_id: str, model: Any, count: int) -> None:
    requests = [a_request(seed=seed) for seed in range(count)]
    vectors = np.array([list(request.values()) for request in requests])
    outputs = [dict(zip(CLASSES, row, strict=True)) for row in model.predict(vectors).tolist()]
    rows = [
        a_row(
            f"{place:026}",
            project=PROJECT,
            release_id=release_id,
            inputs=request,
            vector=vector.astype("<f8").tobytes(),
            output={"probabilities": output},
        )
        for place, (request, vector, output) in enumerate(zip(requests, vectors, outputs, strict=True))
    ]
    write_rows(registry.database, rows)


@pytest.mark.parametrize("family", ["logistic", NearestFamily()])
def test_a_release_of_any_estimator_is_replayed_and_verified(registry: Registry, family: Any) -> None:
    model = a_model(family)
    release_id = registry.keep(1, model, families=OWN)
    _log_answers(registry, release_id, model, 20)
    releases = Releases(registry, lambda _: OWN)
    report = replay_sample(registry, PROJECT, Sample(), open_release=releases.open)
    assert (report.replayed, dict(report.features), report.mismatches) == (20, {"equal": 20}, ())
    assert replay(registry, f"{3:026}", releases.open).matches
    verified = verify_features(releases.open(release_id), registry, sample=None, at=NOW)
    assert (verified.report.checked, verified.report.mismatched) == (20, 0)


def test_without_the_projects_code_the_estimator_is_named(registry: Registry) -> None:
    release_id = registry.keep(1, a_model(NearestFamily()), families=OWN)
    with pytest.raises(UnknownPlugin, match="nearest"):
        Releases(registry).open(release_id)
