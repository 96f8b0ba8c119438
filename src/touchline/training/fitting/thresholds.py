"""From which probability on the second of two classes is called."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from touchline.training.metrics.losses import Array, Labels


def best_threshold(labels: Labels, probabilities: NDArray[np.float64]) -> float:
    """The threshold with the highest F1 on these rows, halfway to the next lower score.

    More than two classes have none, and 0.5 stands for it.
    """
    if probabilities.shape[1] != 2:
        return 0.5
    scores: Array = probabilities[:, 1]
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    hits = np.cumsum(np.asarray(labels)[order] == 1)
    called = np.arange(1, len(scores) + 1)
    f1 = 2 * hits / (called + hits[-1])
    # Equal scores are called together, so only the last of them may end the list.
    f1[:-1][ordered[:-1] == ordered[1:]] = -1.0
    last = int(f1.argmax())
    lower = ordered[last + 1] if last + 1 < len(ordered) else 0.0
    return float((ordered[last] + lower) / 2)
