"""What became of alerts, as points among their organization's own metrics: `alert_events`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
from sqlalchemy import select

from strata_core.alerting.queries import labels_of
from strata_core.instants import ns_of
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.alerting import AlertStatus
from strata_datamodel.inventory import SERVICE_TAGS
from strata_datamodel.latest import HOST_TAGS
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey, Tags
from strata_datamodel.tables.alerting import alerts

MEASUREMENT: Final = "alert_events"
_WHEN: Final[Mapping[str, str]] = {
    AlertStatus.FIRING: "started_at",
    AlertStatus.ACKNOWLEDGED: "acknowledged_at",
    AlertStatus.RESOLVED: "resolved_at",
}
_NOT_ESCALATED: Final = 0.0
"""Nothing escalates alerts yet."""


@dataclass(frozen=True, slots=True)
class AlertPoint:
    """One row of `alert_events`: the same however often it is made, so that it may be written again and again."""

    time_ns: int
    tags: Tags
    fields: Mapping[str, float]

    def series(self) -> list[SeriesKey]:
        return [SeriesKey(MEASUREMENT, self.tags, name, FieldClass.NUMBER) for name in self.fields]


def alert_points(uow: UnitOfWork, told: Sequence[Event]) -> list[AlertPoint]:
    """Of events of the kind POINT_DUE. Made from the alerts' rows: what was erased there since is not written."""
    wanted = select(alerts).where(alerts.c.organization_id == uow.organization_id)
    wanted = wanted.where(alerts.c.id.in_({event.entity_id for event in told}))
    rows: dict[UUID, Mapping[str, object]] = {row["id"]: dict(row) for row in uow.execute(wanted).mappings()}
    made = (_point(rows[event.entity_id], event.payload) for event in told if event.entity_id in rows)
    return [point for point in made if point is not None]


def batch_of_points(uow: UnitOfWork, points: Iterable[AlertPoint]) -> PointBatch:
    rows = [
        (key, point.time_ns, value)
        for point in points
        for key, value in zip(point.series(), point.fields.values(), strict=True)
    ]
    series = {key: place for place, key in enumerate(dict.fromkeys(key for key, _, _ in rows))}
    return PointBatch(
        organization_id=uow.organization_id,
        series=tuple(series),
        series_index=np.array([series[key] for key, _, _ in rows], np.int32),
        time_ns=np.array([time_ns for _, time_ns, _ in rows], np.int64),
        values=np.array([value for _, _, value in rows], np.float64),
    )


def _point(alert: Mapping[str, object], payload: Mapping[str, object]) -> AlertPoint | None:
    status = str(payload["status"])
    at, started_at, acknowledged_at = alert[_WHEN[status]], alert["started_at"], alert["acknowledged_at"]
    if not isinstance(at, datetime) or not isinstance(started_at, datetime):
        return None
    labels = labels_of(alert)
    tags = {
        "alert_id": str(alert["id"]),
        # As it was told: a rule that is deleted is forgotten in the alert's row.
        "rule_id": str(payload["rule_id"] or ""),
        "severity": str(alert["severity"]),
        "status": status,
        "host_id": _first(labels, HOST_TAGS),
        "service_id": _first(labels, SERVICE_TAGS),
    }
    is_acknowledged = isinstance(acknowledged_at, datetime) and acknowledged_at <= at
    fields = {
        "duration": (at - started_at).total_seconds(),
        "escalation_level": _NOT_ESCALATED,
        "acknowledged": float(is_acknowledged),
    }
    return AlertPoint(ns_of(at), tuple(sorted((name, value) for name, value in tags.items() if value)), fields)


def _first(labels: Mapping[str, str], names: Sequence[str]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
