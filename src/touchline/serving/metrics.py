"""What serving counts, for Prometheus. Names begin with `touchline_`; a series names its project where it has one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The meters of one serving process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "touchline_requests", "Requests answered", ["project", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "touchline_request_seconds",
            "Time from the first byte read to the answer",
            ["project", "route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.predictions = Counter(
            "touchline_predictions", "Rows scored", ["project", "version", "variant"], registry=registry
        )
        self.features = Counter(
            "touchline_feature_reads",
            "Views read, by how they were found",
            ["project", "view", "status"],
            registry=registry,
        )
        self.outcomes = Counter("touchline_outcomes", "Outcomes received", ["project", "status"], registry=registry)
        self.swaps = Counter("touchline_release_swaps", "Releases that took over", ["project"], registry=registry)
        self.refused = Counter(
            "touchline_release_refused",
            "Releases that did not load and never took over",
            ["project"],
            registry=registry,
        )
        self.release = Gauge(
            "touchline_release_version", "Model version that answers", ["project", "release"], registry=registry
        )
        self.log_pending = Gauge("touchline_prediction_log_pending_rows", "Rows only in memory", registry=registry)
        self.log_spool = Gauge(
            "touchline_prediction_log_spool_bytes", "Bytes waiting for the database", registry=registry
        )
        self.log_failing = Gauge(
            "touchline_prediction_log_failing", "1 while the log waits on disk or in memory", registry=registry
        )

    def text(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
