"""What roles tell the rest: whoever remembers what somebody may do forgets it on these."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from strata_core.outbox.events import Event

SCHEMA_VERSION: Final = 1
ROLE_CREATED: Final = "role.created"
ROLE_CHANGED: Final = "role.changed"
ROLE_DELETED: Final = "role.deleted"
ROLE_ASSIGNED: Final = "role_assignment.created"
ROLE_UNASSIGNED: Final = "role_assignment.deleted"


def role_event(kind: str, entity_id: UUID, payload: Mapping[str, object]) -> Event:
    return Event(kind, SCHEMA_VERSION, kind.partition(".")[0], entity_id, payload)
