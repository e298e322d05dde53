"""What happens to memberships. The payload names the user and, while there is one, the role."""

from typing import Final

from strata_core.outbox.events import Event
from strata_datamodel.ids import MembershipId, UserId

MEMBER_ADDED: Final = "member.added"
MEMBER_CHANGED: Final = "member.changed"
MEMBER_REMOVED: Final = "member.removed"


def member_event(kind: str, member_id: MembershipId, user_id: UserId, role: str | None) -> Event:
    return Event(kind, 1, "membership", member_id, {"user_id": str(user_id), "role": role})
