"""Invitations as the organization sees them, and as whoever holds a link does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.sql import ColumnElement

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.invitations.rules import InvitationStatus, status_of
from strata_core.listing.pages import newest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import InvitationId, OrganizationId
from strata_datamodel.tables.people import invitations


@dataclass(frozen=True, slots=True)
class Invitation:
    organization_id: OrganizationId
    id: InvitationId
    email: str
    role: str
    invited_by: str
    status: InvitationStatus
    sent_count: int
    sent_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    accepted_by: UUID | None
    revoked_at: datetime | None
    version: int
    created_at: datetime


def invitation(ctx: Context, uow: UnitOfWork, invitation_id: InvitationId) -> Invitation:
    require(ctx, "members:read")
    return invitation_of(uow, invitation_id)


def invitation_page(
    ctx: Context,
    uow: UnitOfWork,
    *,
    limit: int,
    after: UUID | None = None,
    status: InvitationStatus | None = None,
) -> Sequence[Invitation]:
    """Newest first."""
    require(ctx, "members:read")
    wanted = select(invitations).where(invitations.c.organization_id == uow.organization_id)
    if status is not None:
        wanted = wanted.where(_has_status(status, uow.now()))
    rows = uow.execute(newest_first(wanted, invitations.c.id, before=after, limit=limit)).mappings()
    return [invitation_from(row, uow.now()) for row in rows]


def invitation_of(uow: UnitOfWork, invitation_id: InvitationId, *, lock: bool = False) -> Invitation:
    here = and_(invitations.c.organization_id == uow.organization_id, invitations.c.id == invitation_id)
    wanted = select(invitations).where(here)
    row = uow.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError("there is no such invitation")
    return invitation_from(row, uow.now())


def presented_invitation(uow: UnitOfWork, token_hash: bytes) -> Invitation:
    """In a unit opened for the credential `token_hash.hex()`. Raises NotFoundError (code `invitation_unknown`)."""
    row = uow.execute(select(invitations).where(invitations.c.token_hash == token_hash)).mappings().one_or_none()
    if row is None:
        raise unknown_link()
    return invitation_from(row, uow.now())


def unknown_link() -> NotFoundError:
    return NotFoundError(
        "this link leads to no invitation",
        code="invitation_unknown",
        hint="it may have been sent again since: the newest mail has the link that works",
    )


def invitation_from(row: Mapping[Any, Any], now: datetime) -> Invitation:
    status = status_of(row["accepted_at"], row["revoked_at"], row["expires_at"], now)
    return Invitation(status=status, **{name: row[name] for name in Invitation.__slots__ if name != "status"})


def _has_status(status: InvitationStatus, now: datetime) -> ColumnElement[bool]:
    i = invitations.c
    unanswered = and_(i.accepted_at.is_(None), i.revoked_at.is_(None))
    match status:
        case InvitationStatus.ACCEPTED:
            return i.accepted_at.is_not(None)
        case InvitationStatus.REVOKED:
            return and_(i.accepted_at.is_(None), i.revoked_at.is_not(None))
        case InvitationStatus.EXPIRED:
            return and_(unanswered, i.expires_at <= now)
        case InvitationStatus.OPEN:
            return and_(unanswered, i.expires_at > now)
