"""What alerting tells the rest: names and payloads of its events."""

from collections.abc import Mapping
from typing import Final

from strata_core.outbox.events import Event
from strata_datamodel.ids import AlertId

ALERT_FIRED: Final = "alert.fired"
ALERT_ACKNOWLEDGED: Final = "alert.acknowledged"
ALERT_RESOLVED: Final = "alert.resolved"
RULE_CHANGED: Final = "alert_rule.changed"
ALERT_KINDS: Final = (ALERT_FIRED, ALERT_ACKNOWLEDGED, ALERT_RESOLVED)
SCHEMA_VERSION: Final = 1


def alert_event(kind: str, alert_id: AlertId, alert: Mapping[str, object]) -> Event:
    """The payload is the alert as a receiver sees it: see `queries.alert_document`."""
    return Event(kind, SCHEMA_VERSION, "alert", alert_id, alert)
