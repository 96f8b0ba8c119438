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
    from touchline.features.away import LastValues as LastValues
    from touchline.features.away import MirroredStore as MirroredStore
    from touchline.features.away import StoreCopy as StoreCopy
    from touchline.features.columns import ColumnSpec as ColumnSpec
    from touchline.features.columns import decode as decode
    from touchline.features.columns import encode as encode
    from touchline.features.columns import encode_columns as encode_columns
    from touchline.features.compute import FeatureHistory as FeatureHistory
    from touchline.features.compute import compute_view as compute_view
    from touchline.features.compute import read_history as read_history
    from touchline.features.counters import ReadCounters as ReadCounters
    from touchline.features.counters import ViewReads as ViewReads
    from touchline.features.examples import build_examples as build_examples
    from touchline.features.examples import close_at_horizon as close_at_horizon
    from touchline.features.history import build_history as build_history
    from touchline.features.invalidate import drop_unused_versions as drop_unused_versions
    from touchline.features.invalidate import invalidate_entity as invalidate_entity
    from touchline.features.invalidate import invalidate_model as invalidate_model
    from touchline.features.invalidate import invalidate_view as invalidate_view
    from touchline.features.key_partitions import PartitionRunner as PartitionRunner
    from touchline.features.key_partitions import open_runner as open_runner
    from touchline.features.materialize import Materialized as Materialized
    from touchline.features.materialize import materialize as materialize
    from touchline.features.materialize import materialize_view as materialize_view
    from touchline.features.offline_last import OfflineLast as OfflineLast
    from touchline.features.online_store import OnlineStore as OnlineStore
    from touchline.features.online_store import open_online_store as open_online_store
    from touchline.features.open_reader import ReaderStores as ReaderStores
    from touchline.features.open_reader import open_reader as open_reader
    from touchline.features.point_in_time import point_in_time_join as point_in_time_join
    from touchline.features.push import Pushed as Pushed
    from touchline.features.push import push as push
    from touchline.features.reader import FeatureReader as FeatureReader
    from touchline.features.reader import FeatureRows as FeatureRows
    from touchline.features.reader import ViewStatus as ViewStatus
    from touchline.features.recall import SingleFlight as SingleFlight
    from touchline.features.served import ServedView as ServedView
    from touchline.features.skew_proofs import SkewProof as SkewProof
    from touchline.features.skew_proofs import read_skew_proof as read_skew_proof
    from touchline.features.skew_proofs import write_skew_proof as write_skew_proof
    from touchline.features.spec import Entity as Entity
    from touchline.features.spec import Examples as Examples
    from touchline.features.spec import Feature as Feature
    from touchline.features.spec import FeatureView as FeatureView
    from touchline.features.spec import OnDemand as OnDemand
    from touchline.features.spec import ViewJoin as ViewJoin
    from touchline.features.spec import examples as examples
    from touchline.features.spec import feature_view as feature_view
    from touchline.features.spec import on_demand as on_demand
    from touchline.features.statistics import ViewStatistics as ViewStatistics
    from touchline.features.statistics import entity_features as entity_features
    from touchline.features.statistics import entity_keys_of as entity_keys_of
    from touchline.features.statistics import view_statistics as view_statistics
    from touchline.features.training_set import TrainingSet as TrainingSet
    from touchline.features.training_set import build_training_set as build_training_set
    from touchline.features.training_set import read_training_set as read_training_set
    from touchline.features.training_set import write_training_set as write_training_set
    from touchline.features.verify import LoggedVector as LoggedVector
    from touchline.features.verify import ServedFrom as ServedFrom
    from touchline.features.verify import SkewReport as SkewReport
    from touchline.features.verify import verify as verify

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.features.away": ["LastValues", "MirroredStore", "StoreCopy"],
        "touchline.features.columns": ["ColumnSpec", "decode", "encode", "encode_columns"],
        "touchline.features.compute": ["FeatureHistory", "compute_view", "read_history"],
        "touchline.features.counters": ["ReadCounters", "ViewReads"],
        "touchline.features.examples": ["build_examples", "close_at_horizon"],
        "touchline.features.history": ["build_history"],
        "touchline.features.invalidate": [
            "drop_unused_versions",
            "invalidate_entity",
            "invalidate_model",
            "invalidate_view",
        ],
        "touchline.features.key_partitions": ["PartitionRunner", "open_runner"],
        "touchline.features.materialize": ["Materialized", "materialize", "materialize_view"],
        "touchline.features.offline_last": ["OfflineLast"],
        "touchline.features.online_store": ["OnlineStore", "open_online_store"],
        "touchline.features.open_reader": ["ReaderStores", "open_reader"],
        "touchline.features.point_in_time": ["point_in_time_join"],
        "touchline.features.push": ["Pushed", "push"],
        "touchline.features.reader": ["FeatureReader", "FeatureRows", "ViewStatus"],
        "touchline.features.recall": ["SingleFlight"],
        "touchline.features.served": ["ServedView"],
        "touchline.features.skew_proofs": ["SkewProof", "read_skew_proof", "write_skew_proof"],
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
        "touchline.features.statistics": ["ViewStatistics", "entity_features", "entity_keys_of", "view_statistics"],
        "touchline.features.training_set": [
            "TrainingSet",
            "build_training_set",
            "read_training_set",
            "write_training_set",
        ],
        "touchline.features.verify": ["LoggedVector", "ServedFrom", "SkewReport", "verify"],
    },
)
