"""What happened to a person's account, for that person to see. Rows are added and never touched again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select

from strata_core.audit.rules import redacted
from strata_core.listing.pages import newest_first
from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.visits import Visit
from strata_datamodel.ids import UserId
from strata_datamodel.limits import USER_AGENT_LENGTH
from strata_datamodel.tables.sign_in import security_events


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    id: UUID
    at: datetime
    action: str
    detail: Mapping[str, object]
    remote_addr: str | None
    user_agent: str | None


def note(
    uow: UnitOfWork, user_id: UserId, visit: Visit, action: str, detail: Mapping[str, object] | None = None
) -> None:
    """In the person's unit, with the change itself. Values under secret-looking names are not kept."""
    uow.execute(
        insert(security_events),
        {
            "id": new_id(uow),
            "user_id": user_id,
            "at": uow.now(),
            "action": action,
            "detail": redacted(detail or {}),
            "request_id": visit.request_id,
            "remote_addr": visit.remote_addr,
            "user_agent": visit.user_agent[:USER_AGENT_LENGTH] if visit.user_agent else None,
        },
    )


def security_events_before(
    uow: UnitOfWork, user_id: UserId, before: UUID | None, limit: int
) -> Sequence[SecurityEvent]:
    """Newest first."""
    statement = select(security_events).where(security_events.c.user_id == user_id)
    return [
        SecurityEvent(row.id, row.at, row.action, row.detail, row.remote_addr, row.user_agent)
        for row in uow.execute(newest_first(statement, security_events.c.id, before=before, limit=limit))
    ]
