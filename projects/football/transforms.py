"""On-demand features. NumPy only: a release carries this file, and serving runs it without the project."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def gaps(columns: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
    """The differences between the two sides, home minus away."""
    return {
        "elo_gap": columns["home_elo"] - columns["away_elo"],
        "goal_gap": columns["home_attack"] + columns["away_defence"] - columns["away_attack"] - columns["home_defence"],
    }
