"""Spans for OpenTelemetry: the extra `otel`. The exporter is the one that OpenTelemetry's own variables name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from touchline.errors import MissingDependency
from touchline.http.correlation import TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

_EXPORTERS = "opentelemetry_traces_exporter"
_VARIABLES = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class OpenTelemetry:
    """Turns the times of a request into a span, a child of the caller's."""

    def __init__(self, exporter: SpanExporter, *, service: str = "touchline") -> None:
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ModuleNotFoundError as missing:
            raise MissingDependency("OpenTelemetry", "opentelemetry-sdk", ["otel"]) from missing
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self._provider.get_tracer("touchline.serving")

    def span(
        self, name: str, parent: TraceContext | None, start_ns: int, end_ns: int, attributes: Mapping[str, Any]
    ) -> None:
        """Hand a finished request to the exporter's own thread."""
        from opentelemetry.trace import SpanKind

        span = self._tracer.start_span(
            name, _context(parent), kind=SpanKind.SERVER, attributes=dict(attributes), start_time=start_ns
        )
        span.end(end_ns)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def _context(parent: TraceContext | None) -> Any:
    if parent is None:
        return None
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
    caller = SpanContext(int(parent.trace_id, 16), int(parent.parent_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(caller))


def tracer_from_environment(environment: Mapping[str, str] | None = None) -> OpenTelemetry | None:
    """The tracer that OpenTelemetry's variables ask for; None where they ask for none.

    Raises `MissingDependency` when the named exporter is not installed.
    """
    variables = os.environ if environment is None else environment
    if variables.get("OTEL_TRACES_EXPORTER") == "none" or not any(variables.get(name) for name in _VARIABLES):
        return None
    name = variables.get("OTEL_TRACES_EXPORTER", "otlp")
    name = "otlp_proto_http" if name == "otlp" else name
    found = {point.name: point for point in entry_points(group=_EXPORTERS)}
    if name not in found:
        library = "opentelemetry-exporter-otlp-proto-http" if name.startswith("otlp") else f"an exporter {name!r}"
        raise MissingDependency(f"Traces by {name}", library, ["otel"])
    return OpenTelemetry(found[name].load()(), service=variables.get("OTEL_SERVICE_NAME", "touchline"))
