"""What dashboards tell the rest."""

from typing import Final

from strata_core.outbox.events import Event
from strata_datamodel.ids import DashboardId

SCHEMA_VERSION: Final = 1
DASHBOARD_CREATED: Final = "dashboard.created"
DASHBOARD_CHANGED: Final = "dashboard.changed"
DASHBOARD_DELETED: Final = "dashboard.deleted"


def dashboard_event(kind: str, dashboard_id: DashboardId, title: str) -> Event:
    return Event(kind, SCHEMA_VERSION, "dashboard", dashboard_id, {"title": title})
