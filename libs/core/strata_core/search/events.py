"""What search asks of itself: bring the index up to date with a row."""

from typing import Final
from uuid import UUID

from strata_core.outbox.events import Event

PROJECTION_DUE: Final = "search.projection_due"
SCHEMA_VERSION: Final = 1


def projection_due(kind: str, entity_id: UUID, version: int) -> Event:
    """`version` is the greatest that the sender knows of, in PostgreSQL or in the index: where the row is gone by then,
    its deletion is later than that."""
    return Event(PROJECTION_DUE, SCHEMA_VERSION, kind, entity_id, {"version": version})
