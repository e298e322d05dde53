"""What the inventory tells the rest."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from strata_core.outbox.events import Event

SCHEMA_VERSION: Final = 1
DEPENDENCY_ADDED: Final = "service_dependency.added"
DEPENDENCY_REMOVED: Final = "service_dependency.removed"


def inventory_event(kind: str, entity_id: UUID, payload: Mapping[str, object]) -> Event:
    """The payload names the thing and its status: who needs more reads the row, which may be newer than the event."""
    return Event(kind, SCHEMA_VERSION, kind.partition(".")[0], entity_id, payload)
