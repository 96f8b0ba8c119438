"""From a release and a request to a prediction, and from a prediction to what became of it.

In: releases that the journal puts into Production, requests by entity keys or by values, outcomes. Out: answers over
HTTP, a log row for each, outcomes joined to what was said.

Promises: what was answered is logged, at most a moment behind, and survives a kill, a database that is away and a
restart; the log says enough to compute every answer again; a broken release never takes over; promotion and rollback
swap a pointer between two requests; the process imports neither pandas nor MLflow nor Feast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.serving.answering import PredictHere as PredictHere
    from touchline.serving.bulk import Bulk as Bulk
    from touchline.serving.bulk import score_frame as score_frame
    from touchline.serving.history import SettledPrediction as SettledPrediction
    from touchline.serving.history import read_settled as read_settled
    from touchline.serving.journal_releases import JournalReleases as JournalReleases
    from touchline.serving.keys import ApiKey as ApiKey
    from touchline.serving.keys import list_keys as list_keys
    from touchline.serving.keys import make_key as make_key
    from touchline.serving.keys import require_key as require_key
    from touchline.serving.keys import revoke_key as revoke_key
    from touchline.serving.lineage import Trace as Trace
    from touchline.serving.lineage import trace as trace
    from touchline.serving.outcomes import Outcome as Outcome
    from touchline.serving.outcomes import Receipt as Receipt
    from touchline.serving.outcomes import record_outcomes as record_outcomes
    from touchline.serving.prediction_log import LogLimits as LogLimits
    from touchline.serving.releases import Head as Head
    from touchline.serving.releases import ReleaseSource as ReleaseSource
    from touchline.serving.replays import Replayed as Replayed
    from touchline.serving.replays import ReplayReport as ReplayReport
    from touchline.serving.replays import Sample as Sample
    from touchline.serving.replays import replay as replay
    from touchline.serving.replays import replay_sample as replay_sample
    from touchline.serving.retention import Exported as Exported
    from touchline.serving.retention import Pruned as Pruned
    from touchline.serving.retention import export_predictions as export_predictions
    from touchline.serving.retention import prune_predictions as prune_predictions
    from touchline.serving.retention import read_exported as read_exported
    from touchline.serving.served import ServedRelease as ServedRelease
    from touchline.serving.served import served_from as served_from
    from touchline.serving.server import Server as Server
    from touchline.serving.server import create_app as create_app
    from touchline.serving.settling import OpenExample as OpenExample
    from touchline.serving.settling import Settled as Settled
    from touchline.serving.settling import open_examples_of as open_examples_of
    from touchline.serving.settling import settle_outcomes as settle_outcomes
    from touchline.serving.spec import Rollout as Rollout
    from touchline.serving.state import Limits as Limits
    from touchline.serving.state import ServedProject as ServedProject
    from touchline.serving.state import ServerOptions as ServerOptions

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.serving.answering": ["PredictHere"],
        "touchline.serving.bulk": ["Bulk", "score_frame"],
        "touchline.serving.history": ["SettledPrediction", "read_settled"],
        "touchline.serving.journal_releases": ["JournalReleases"],
        "touchline.serving.outcomes": ["Outcome", "Receipt", "record_outcomes"],
        "touchline.serving.prediction_log": ["LogLimits"],
        "touchline.serving.releases": ["Head", "ReleaseSource"],
        "touchline.serving.replays": ["Replayed", "ReplayReport", "Sample", "replay", "replay_sample"],
        "touchline.serving.retention": [
            "Exported",
            "Pruned",
            "export_predictions",
            "prune_predictions",
            "read_exported",
        ],
        "touchline.serving.served": ["ServedRelease", "served_from"],
        "touchline.serving.server": ["Server", "create_app"],
        "touchline.serving.settling": ["OpenExample", "Settled", "open_examples_of", "settle_outcomes"],
        "touchline.serving.spec": ["Rollout"],
        "touchline.serving.state": ["Limits", "ServedProject", "ServerOptions"],
        "touchline.serving.keys": ["ApiKey", "list_keys", "make_key", "require_key", "revoke_key"],
        "touchline.serving.lineage": ["Trace", "trace"],
    },
)
