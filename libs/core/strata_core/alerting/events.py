"""What alerting tells the rest: names and payloads of its events."""

from collections.abc import Mapping
from typing import Final

from strata_core.outbox.events import Event
from strata_datamodel.alerting import AlertStatus
from strata_datamodel.ids import AlertId

ALERT_FIRED: Final = "alert.fired"
ALERT_ACKNOWLEDGED: Final = "alert.acknowledged"
ALERT_RESOLVED: Final = "alert.resolved"
RULE_CHANGED: Final = "alert_rule.changed"
POINT_DUE: Final = "alert.point_due"
ALERT_KINDS: Final = (ALERT_FIRED, ALERT_ACKNOWLEDGED, ALERT_RESOLVED)
SCHEMA_VERSION: Final = 1
_STATUS: Final[Mapping[str, AlertStatus]] = {
    ALERT_FIRED: AlertStatus.FIRING,
    ALERT_ACKNOWLEDGED: AlertStatus.ACKNOWLEDGED,
    ALERT_RESOLVED: AlertStatus.RESOLVED,
}


def alert_event(kind: str, alert_id: AlertId, alert: Mapping[str, object]) -> Event:
    """The payload is the alert as a receiver sees it: see `queries.alert_document`."""
    return Event(kind, SCHEMA_VERSION, "alert", alert_id, alert)


def point_due(told: Event) -> Event:
    """What an alert's event tells has to be written among the metrics: see `history`."""
    payload = {"status": _STATUS[told.kind].value, "rule_id": told.payload.get("rule_id")}
    return Event(POINT_DUE, SCHEMA_VERSION, "alert", told.entity_id, payload)
