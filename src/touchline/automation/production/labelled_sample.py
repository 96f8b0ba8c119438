"""Labelled rows of a release with what it predicts of them: what estimates of the loss and of class shares rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from touchline.monitoring import LabelledSample
from touchline.monitoring.loss_estimate import calibrated_loss
from touchline.registry import Releases, declared_families

if TYPE_CHECKING:
    from touchline.automation.production.release import ProductionRelease, TestRows
    from touchline.monitoring import LiveRows
    from touchline.project import Project
    from touchline.registry import Registry

Array = NDArray[np.float64]
# The share of the loss by which a model that has learned from rows may tell them apart better than one that has not.
_CLOSER_FIT: Final = 0.02


def labelled_sample(
    project: Project, stores: Registry, release: ProductionRelease, test: TestRows, settled: LiveRows
) -> LabelledSample:
    """The test rows and settled live rows; with vectors where the profile's sample names its rows among the test rows.

    The model that ships has learned from the test rows, so its predictions of them stand for those of new rows only
    where it tells their classes apart no better than the evaluation model, which has not. Else the predictions of the
    evaluation model stand for them, though two fits of one recipe differ.
    """
    profile, places = release.profile, release.profile.sample_places
    if not len(places) or profile.rows != len(test.labels):
        return LabelledSample(
            np.vstack([test.predictions, settled.predictions]),
            np.concatenate([test.labels, settled.labels]),
            np.concatenate([test.window.days, settled.days]),
        )
    vectors = np.ascontiguousarray(profile.sample[:, : len(profile.features)])
    labels, days = test.labels[places], test.window.days[places]
    unseen = LabelledSample(test.predictions[places], labels, days)
    shipped = LabelledSample(_shipped(project, stores, release, vectors), labels, days)
    score = test.window.score
    is_fair = calibrated_loss(score, shipped) >= (1 - _CLOSER_FIT) * calibrated_loss(score, unseen)
    return LabelledSample(
        np.vstack([(shipped if is_fair else unseen).probabilities, settled.predictions]),
        np.concatenate([labels, settled.labels]),
        np.concatenate([days, settled.days]),
        np.vstack([vectors, settled.vectors]),
    )


def _shipped(project: Project, stores: Registry, release: ProductionRelease, vectors: Array) -> Array:
    families = declared_families(project.training)
    model = Releases(stores, lambda _: families).open(release.release.id).model
    return np.asarray(model.predict(vectors))
