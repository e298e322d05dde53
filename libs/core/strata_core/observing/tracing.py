"""Traces of requests and store calls, sent where the operator says; nothing is traced unless they say."""

from collections.abc import Callable

from opentelemetry import trace

from strata_datamodel.errors import InvalidError

TRACER = trace.get_tracer("strata")
"""Costs next to nothing until `configure_tracing` was called."""
_FLUSH_MS = 3_000


def is_traced() -> bool:
    """Whether this process was told to."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def configure_tracing(endpoint: str, service: str, version: str) -> Callable[[], None]:
    """OTLP over HTTP to `endpoint` (its base, without /v1/traces). Once a process; returns what sends the rest."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise InvalidError(
            "STRATA_TRACES_ENDPOINT is set, but the exporter is not installed",
            code="tracing_not_installed",
            hint="install it with `pip install strata[tracing]`",
        ) from None

    class WithoutQueries(SpanProcessor):
        """Old agents put their key into the query string."""

        def on_start(self, span: Span, parent_context: object = None) -> None:
            del parent_context
            if span.attributes and "url.query" in span.attributes:
                span.set_attribute("url.query", "[redacted]")

    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    provider.add_span_processor(WithoutQueries())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)

    def finish() -> None:
        provider.force_flush(_FLUSH_MS)
        provider.shutdown()

    return finish
