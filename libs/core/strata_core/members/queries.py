"""The members of an organization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from strata_core.access.permissions import Role
from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.listing.pages import as_asked, oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import MembershipId, UserId
from strata_datamodel.tables.organizations import memberships
from strata_datamodel.tables.users import users


@dataclass(frozen=True, slots=True)
class Member:
    """`id` is that of the membership: somebody who comes back has another."""

    id: MembershipId
    user_id: UserId
    email: str
    name: str
    avatar_url: str | None
    role: str
    last_login_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MemberFilter:
    role: str | None = None
    email: str | None = None


def member(ctx: Context, uow: UnitOfWork, member_id: MembershipId) -> Member:
    require(ctx, "members:read")
    return member_of(uow, member_id)


def member_page(
    ctx: Context, uow: UnitOfWork, *, limit: int, after: UUID | None = None, where: MemberFilter | None = None
) -> Sequence[Member]:
    """In the order in which they joined."""
    require(ctx, "members:read")
    where = where or MemberFilter()
    wanted = _members(uow).where(*as_asked(memberships, role=where.role), *as_asked(users, email=where.email))
    return [
        _member(row) for row in uow.execute(oldest_first(wanted, memberships.c.id, after=after, limit=limit)).mappings()
    ]


def member_of(uow: UnitOfWork, member_id: MembershipId) -> Member:
    """Raises NotFoundError, also for a member of another organization."""
    row = uow.execute(_members(uow).where(memberships.c.id == member_id)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("there is no such member")
    return _member(row)


def membership_of_user(uow: UnitOfWork, user_id: UserId) -> Member | None:
    row = uow.execute(_members(uow).where(memberships.c.user_id == user_id)).mappings().one_or_none()
    return None if row is None else _member(row)


def owner_count(uow: UnitOfWork) -> int:
    return _count(uow, memberships.c.role == Role.OWNER.value)


def member_count(uow: UnitOfWork) -> int:
    return _count(uow)


def _count(uow: UnitOfWork, *conditions: Any) -> int:
    here = memberships.c.organization_id == uow.organization_id
    return int(uow.execute(select(func.count()).select_from(memberships).where(here, *conditions)).scalar_one())


def _members(uow: UnitOfWork) -> Select[Any]:
    return (
        select(
            memberships.c.id,
            memberships.c.user_id,
            users.c.email,
            users.c.name,
            users.c.avatar_url,
            memberships.c.role,
            users.c.last_login_at,
            memberships.c.version,
            memberships.c.created_at,
            memberships.c.updated_at,
        )
        .join(users, users.c.id == memberships.c.user_id)
        .where(memberships.c.organization_id == uow.organization_id)
    )


def _member(row: Mapping[Any, Any]) -> Member:
    return Member(**{name: row[name] for name in Member.__slots__})
