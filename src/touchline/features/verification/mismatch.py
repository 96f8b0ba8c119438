"""One served feature value beside the value that history gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mismatch:
    """One feature that was served with another value than history gives."""

    prediction_id: str
    column: str
    logged_value: float
    offline: float
