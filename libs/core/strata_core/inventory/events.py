"""What the inventory tells the rest."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from strata_core.outbox.events import Event

SCHEMA_VERSION: Final = 1
HOST_CREATED: Final = "host.created"
HOST_CHANGED: Final = "host.changed"
HOST_DELETED: Final = "host.deleted"
SERVICE_CREATED: Final = "service.created"
SERVICE_CHANGED: Final = "service.changed"
SERVICE_DELETED: Final = "service.deleted"
DEPENDENCY_ADDED: Final = "service_dependency.added"
DEPENDENCY_REMOVED: Final = "service_dependency.removed"


def inventory_event(kind: str, entity_id: UUID, payload: Mapping[str, object]) -> Event:
    """The payload names the thing and its status: who needs more reads the row, which may be newer than the event."""
    return Event(kind, SCHEMA_VERSION, kind.partition(".")[0], entity_id, payload)
