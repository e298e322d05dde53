"""What teams tell the rest."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from strata_core.outbox.events import Event

SCHEMA_VERSION: Final = 1
TEAM_CREATED: Final = "team.created"
TEAM_CHANGED: Final = "team.changed"
TEAM_DELETED: Final = "team.deleted"
TEAM_JOINED: Final = "team.member_added"
TEAM_LEFT: Final = "team.member_removed"


def team_event(kind: str, team_id: UUID, payload: Mapping[str, object]) -> Event:
    return Event(kind, SCHEMA_VERSION, "team", team_id, payload)
