"""Snapshots become features that are right in time, offline and online.

In: feature views declared over sources, and the sources' snapshots. Out: a feature history per view (Parquet, sorted,
bitemporal), training sets by a point-in-time join, and packed rows in an online store that serving reads without Feast.

Promises: as many rows out of a join as went in, in the same order; no value counts before it was known; a value older
than its TTL counts neither offline nor online; what is served can be computed again offline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.features.columns import ColumnSpec as ColumnSpec
    from touchline.features.columns import decode as decode
    from touchline.features.columns import encode as encode
    from touchline.features.columns import encode_columns as encode_columns
    from touchline.features.compute import FeatureHistory as FeatureHistory
    from touchline.features.compute import compute_view as compute_view
    from touchline.features.compute import read_history as read_history
    from touchline.features.examples import build_examples as build_examples
    from touchline.features.history import build_history as build_history
    from touchline.features.materialize import Materialized as Materialized
    from touchline.features.materialize import materialize as materialize
    from touchline.features.online_store import OnlineStore as OnlineStore
    from touchline.features.online_store import open_online_store as open_online_store
    from touchline.features.point_in_time import point_in_time_join as point_in_time_join
    from touchline.features.reader import FeatureReader as FeatureReader
    from touchline.features.reader import FeatureRows as FeatureRows
    from touchline.features.reader import ViewStatus as ViewStatus
    from touchline.features.served import ServedView as ServedView
    from touchline.features.spec import Entity as Entity
    from touchline.features.spec import Examples as Examples
    from touchline.features.spec import Feature as Feature
    from touchline.features.spec import FeatureView as FeatureView
    from touchline.features.spec import OnDemand as OnDemand
    from touchline.features.spec import ViewJoin as ViewJoin
    from touchline.features.spec import examples as examples
    from touchline.features.spec import feature_view as feature_view
    from touchline.features.spec import on_demand as on_demand
    from touchline.features.training_set import TrainingSet as TrainingSet
    from touchline.features.training_set import build_training_set as build_training_set
    from touchline.features.training_set import read_training_set as read_training_set
    from touchline.features.training_set import write_training_set as write_training_set

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.features.columns": ["ColumnSpec", "decode", "encode", "encode_columns"],
        "touchline.features.compute": ["FeatureHistory", "compute_view", "read_history"],
        "touchline.features.examples": ["build_examples"],
        "touchline.features.history": ["build_history"],
        "touchline.features.materialize": ["Materialized", "materialize"],
        "touchline.features.online_store": ["OnlineStore", "open_online_store"],
        "touchline.features.point_in_time": ["point_in_time_join"],
        "touchline.features.reader": ["FeatureReader", "FeatureRows", "ViewStatus"],
        "touchline.features.served": ["ServedView"],
        "touchline.features.spec": [
            "Entity",
            "Examples",
            "Feature",
            "FeatureView",
            "OnDemand",
            "ViewJoin",
            "examples",
            "feature_view",
            "on_demand",
        ],
        "touchline.features.training_set": [
            "TrainingSet",
            "build_training_set",
            "read_training_set",
            "write_training_set",
        ],
    },
)
