"""Measurements that the platform knows the meaning of. Any other is kept and asked just as well."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strata_datamodel.metrics import FieldClass

_NUMBER: Final = (FieldClass.NUMBER,)


@dataclass(frozen=True, slots=True)
class TagMeaning:
    name: str
    description: str
    values: tuple[str, ...] = ()
    """Those that have a meaning; others may come."""


@dataclass(frozen=True, slots=True)
class FieldMeaning:
    name: str
    description: str
    unit: str | None = None
    unit_tag: str | None = None
    """The tag that says the unit, where the field alone does not."""
    classes: tuple[FieldClass, ...] = _NUMBER


@dataclass(frozen=True, slots=True)
class MeasurementMeaning:
    name: str
    description: str
    tags: tuple[TagMeaning, ...]
    fields: tuple[FieldMeaning, ...]


_HOST: Final = TagMeaning("host_id", "the host it was measured on")
_SERVICE: Final = TagMeaning("service_id", "the service it was measured in")
_ENVIRONMENT: Final = TagMeaning("environment", "where it runs", ("production", "staging", "development"))

MEASUREMENTS: Final[Mapping[str, MeasurementMeaning]] = {
    each.name: each
    for each in (
        MeasurementMeaning(
            "alert_events",
            "what became of alerts",
            (
                TagMeaning("alert_id", "the alert"),
                TagMeaning("rule_id", "the rule that fired"),
                TagMeaning(
                    "severity", "how bad it is", ("info", "warning", "error", "critical", "low", "medium", "high")
                ),
                TagMeaning("status", "what happened", ("firing", "acknowledged", "resolved")),
                _HOST,
                _SERVICE,
            ),
            (
                FieldMeaning("duration", "since it began to fire", unit="s"),
                FieldMeaning("escalation_level", "how far it was escalated"),
                FieldMeaning("acknowledged", "1 when somebody has acknowledged it, else 0"),
            ),
        ),
        MeasurementMeaning(
            "application_metrics",
            "what services measure of themselves",
            (
                _SERVICE,
                TagMeaning("application_name", "the application"),
                TagMeaning("metric_name", "what is measured", ("response_time", "error_rate", "throughput")),
                _ENVIRONMENT,
                TagMeaning("endpoint", "the path that was asked"),
                TagMeaning("method", "the method of HTTP", ("GET", "POST", "PUT", "PATCH", "DELETE")),
                TagMeaning("status_code", "the answer's status"),
            ),
            (
                FieldMeaning("value", "the value, in the unit of its metric_name"),
                FieldMeaning("count", "how many it was measured of"),
                FieldMeaning("rate", "how many there were", unit="1/s"),
            ),
        ),
        MeasurementMeaning(
            "system_metrics",
            "what agents measure of hosts",
            (
                _HOST,
                TagMeaning("metric_type", "what is measured", ("cpu", "memory", "disk", "network")),
                _ENVIRONMENT,
                TagMeaning("datacenter", "where the host stands"),
                TagMeaning("unit", "of the value and its thresholds", ("%", "bytes", "packets/sec")),
            ),
            (
                FieldMeaning("value", "the value", unit_tag="unit"),
                FieldMeaning("threshold_warning", "from where on it is worth a warning", unit_tag="unit"),
                FieldMeaning("threshold_critical", "from where on it is critical", unit_tag="unit"),
            ),
        ),
    )
}
