"""touchline: the whole life of a predictive model from one declaration.

The names a `project.py` needs are here; each is imported from its room when first used.
"""

from __future__ import annotations

from typing import Any

from touchline._lazy import lazy_names

_ROOMS = {
    "touchline.contracts": ["Contract", "dataset_check", "row_check"],
    "touchline.ingest": ["Source", "CsvFiles", "ParquetFiles", "SqlTable", "HttpTable", "FrameProvider"],
    "touchline.features": ["Entity", "FeatureView", "feature_view", "examples", "on_demand"],
    "touchline.training": ["classification", "regression", "Training", "Candidate", "Tune"],
    "touchline.registry": ["Gate"],
    "touchline.serving": ["Rollout"],
    "touchline.monitoring": ["Monitoring", "Drift", "Alerts"],
    "touchline.project": ["Project", "Retrain", "SampleClock"],
}

__all__ = [name for names in _ROOMS.values() for name in names]


def __getattr__(name: str) -> Any:
    return lazy_names(__name__, _ROOMS)(name)
