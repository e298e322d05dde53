"""Requests of OTLP metrics, and the envelope they are read under."""

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from factories.wire_envelopes import ORGANIZATION, RECEIVED_NS, line_envelope
from strata_datamodel.ids import OrganizationId
from strata_datamodel.spooling import Envelope
from strata_wire.times_kept import RAW_KEPT_NS

NOW_NS = RECEIVED_NS
_WEEK_NS = 7 * 86_400 * 10**9


def otlp_envelope(organization_id: OrganizationId = ORGANIZATION) -> Envelope:
    return line_envelope(organization_id=organization_id, **{RAW_KEPT_NS: str(_WEEK_NS)})


def attribute(key: str, text: str) -> dict[str, Any]:
    return {"key": key, "value": {"string_value": text}}


def request_of(*metrics: dict[str, Any], resource: dict[str, str] | None = None) -> ExportMetricsServiceRequest:
    attributes = [attribute(key, text) for key, text in (resource or {}).items()]
    return ExportMetricsServiceRequest(
        resource_metrics=[{"resource": {"attributes": attributes}, "scope_metrics": [{"metrics": metrics}]}]
    )
