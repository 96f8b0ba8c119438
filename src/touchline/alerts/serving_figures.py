"""Error rate, latency and missing features of a server: two readings of its `/metrics` become observations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from touchline.alerts.observation import Observation
from touchline.statistics import clopper_pearson

# Fewer requests in a window say too little: nothing is observed.
MIN_REQUESTS: Final = 50
_QUANTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_ROUTE: Final = "/predict"
_PRESENT: Final = ("present", "fallback")
# The normal quantile of a one-sided bound of 97.5 %, as an interval of 95 % has.
_Z: Final = 1.96


@dataclass(frozen=True)
class ServingFigures:
    """The counters of one project at one reading; `buckets` are cumulative counts of seconds by upper bound."""

    at: datetime
    requests: float = 0.0
    errors: float = 0.0
    buckets: Mapping[float, float] = field(default_factory=dict)
    reads: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def since(self, earlier: ServingFigures) -> ServingFigures | None:
        """The counts between two readings; None where a counter went back, since the server was started again."""
        buckets = {bound: count - earlier.buckets.get(bound, 0.0) for bound, count in self.buckets.items()}
        reads = {key: count - earlier.reads.get(key, 0.0) for key, count in self.reads.items()}
        requests, errors = self.requests - earlier.requests, self.errors - earlier.errors
        if min((requests, errors, *buckets.values(), *reads.values())) < 0:
            return None
        return ServingFigures(earlier.at, requests, errors, buckets, reads)


def read_figures(metrics: str, *, at: datetime) -> dict[str, ServingFigures]:
    """The figures of each project in the text of `/metrics`. Requests are those for predictions.

    An error is an answer with a status of 500 or above: the server, not the client, was at fault.
    """
    from prometheus_client.parser import text_string_to_metric_families

    requests: dict[str, float] = {}
    errors: dict[str, float] = {}
    buckets: dict[str, dict[float, float]] = {}
    reads: dict[str, dict[tuple[str, str], float]] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            labels = sample.labels
            project = labels.get("project", "")
            if sample.name == "touchline_feature_reads_total":
                reads.setdefault(project, {})[labels["view"], labels["status"]] = sample.value
            if not project or labels.get("route") != _ROUTE:
                continue
            if sample.name == "touchline_requests_total":
                requests[project] = requests.get(project, 0.0) + sample.value
                if labels["status"].startswith("5"):
                    errors[project] = errors.get(project, 0.0) + sample.value
            elif sample.name == "touchline_request_seconds_bucket":
                buckets.setdefault(project, {})[float(labels["le"])] = sample.value
    return {
        project: ServingFigures(
            at, requests.get(project, 0.0), errors.get(project, 0.0), buckets.get(project, {}), reads.get(project, {})
        )
        for project in requests.keys() | reads.keys()
    }


def observe_serving(project: str, counts: ServingFigures) -> list[Observation]:
    """Observations of the counts of a window; none of what fewer than `MIN_REQUESTS` requests say.

    The value of each is the lower bound of its 95 % interval, so that few requests do not break a limit by chance.
    """
    observations = [_missing(project, counts, view) for view in sorted({view for view, _ in counts.reads})]
    if counts.requests >= MIN_REQUESTS:
        observations.append(_errors(project, counts))
        observations += [_latency(project, counts, name) for name in _QUANTILES]
    return [one for one in observations if one is not None]


def _errors(project: str, counts: ServingFigures) -> Observation:
    errors, requests = int(counts.errors), int(counts.requests)
    low, high = clopper_pearson(min(errors, requests), requests)
    return Observation(
        "error_rate",
        value=low,
        happened=f"{errors / requests:.1%} of the requests for predictions failed ({errors} of {requests})",
        since=counts.at,
        certainty=f"95 % interval {low:.1%} to {high:.1%}",
        cost=f"{errors} requests got no prediction",
        next_command=f"touchline logs; touchline doctor; touchline models rollback -p {project} --reason '...'",
        cause="serving",
    )


def _latency(project: str, counts: ServingFigures, name: str) -> Observation | None:
    share, requests = _QUANTILES[name], counts.requests
    value = _quantile(counts.buckets, share)
    low = _quantile(counts.buckets, max(0.0, share - _Z * math.sqrt(share * (1 - share) / requests)))
    if value is None or low is None:
        return None
    return Observation(
        name,
        value=low,
        happened=f"{share:.0%} of the predictions took at most {value * 1000:.0f} ms, the others longer",
        since=counts.at,
        certainty=f"at least {low * 1000:.0f} ms with 97.5 % confidence, from {requests:.0f} requests",
        cost="clients wait; those with a timeout go without a prediction",
        next_command=f"touchline logs -p {project}",
        cause="serving latency",
    )


def _missing(project: str, counts: ServingFigures, view: str) -> Observation | None:
    total = int(sum(count for (name, _), count in counts.reads.items() if name == view))
    present = int(sum(counts.reads.get((view, status), 0.0) for status in _PRESENT))
    if total < MIN_REQUESTS:
        return None
    missing = max(0, total - present)
    low, high = clopper_pearson(missing, total)
    return Observation(
        "feature_missing",
        subject=view,
        value=low,
        happened=f"view {view} had no current value for {missing / total:.1%} of the rows ({missing} of {total})",
        since=counts.at,
        certainty=f"95 % interval {low:.1%} to {high:.1%}",
        cost=f"{missing} predictions were made without these features",
        next_command=f"touchline features stats -p {project}; touchline ingest -p {project}",
    )


def _quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value below which a share lies, interpolated within its bucket as Prometheus' histogram_quantile does.

    >>> _quantile({0.1: 50.0, 0.2: 100.0, math.inf: 100.0}, 0.75)
    0.15
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    rank, before, lower = share * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if math.isinf(bound):
                return lower
            inside = buckets[bound] - before
            return round(lower + (bound - lower) * ((rank - before) / inside if inside else 1.0), 12)
        before, lower = buckets[bound], bound
    return lower
