"""Looking organizations up, always within what the unit of work may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, false, select
from sqlalchemy.sql import ColumnElement

from strata_core.listing.pages import oldest_first
from strata_core.organizations.rules import as_id, could_be_slug
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import OrganizationId, UserId
from strata_datamodel.tables.organizations import memberships, organizations
from strata_datamodel.tables.users import users


@dataclass(frozen=True, slots=True)
class Organization:
    id: OrganizationId
    slug: str
    name: str
    plan: str
    billing_reference: str | None
    settings: Mapping[str, object]
    status: str
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Membership:
    organization: Organization
    user_id: UserId
    email: str
    role: str


def organization_of(uow: UnitOfWork, slug_or_id: str) -> Organization:
    """Raises NotFoundError for one that is missing and for one that this unit may not see: nobody can tell which."""
    row = uow.execute(select(organizations).where(_named(slug_or_id))).one_or_none()
    if row is None:
        raise organization_not_found()
    return organization_from(row)


def membership_of(uow: UnitOfWork, user_id: UserId, slug_or_id: str) -> Membership:
    """In a person's unit. Raises NotFoundError as `organization_of` does."""
    statement = (
        select(organizations, memberships.c.role, users.c.email)
        .join(memberships, memberships.c.organization_id == organizations.c.id)
        .join(users, users.c.id == memberships.c.user_id)
        .where(memberships.c.user_id == user_id, _named(slug_or_id))
    )
    row = uow.execute(statement).one_or_none()
    if row is None:
        raise organization_not_found()
    return Membership(organization=organization_from(row), user_id=user_id, email=row.email, role=row.role)


def memberships_after(uow: UnitOfWork, user_id: UserId, after: UUID | None, limit: int) -> Sequence[Membership]:
    """In a person's unit: the organizations they belong to, oldest first."""
    statement = (
        select(organizations, memberships.c.role, users.c.email)
        .join(memberships, memberships.c.organization_id == organizations.c.id)
        .join(users, users.c.id == memberships.c.user_id)
        .where(memberships.c.user_id == user_id)
    )
    return [
        Membership(organization=organization_from(row), user_id=user_id, email=row.email, role=row.role)
        for row in uow.execute(oldest_first(statement, organizations.c.id, after=after, limit=limit))
    ]


def organization_statuses(uow: UnitOfWork, user_id: UserId) -> list[str]:
    """In a person's unit: of the organizations they belong to."""
    statement = (
        select(organizations.c.status)
        .join(memberships, memberships.c.organization_id == organizations.c.id)
        .where(memberships.c.user_id == user_id)
    )
    return [str(status) for status in uow.execute(statement).scalars()]


def organizations_after(uow: UnitOfWork, after: str | None, limit: int) -> Sequence[Organization]:
    """In a system-wide unit: all there are, by slug."""
    statement = select(organizations).order_by(organizations.c.slug).limit(limit)
    if after is not None:
        statement = statement.where(organizations.c.slug > after)
    return [organization_from(row) for row in uow.execute(statement)]


def organization_from(row: Row[tuple[object, ...]]) -> Organization:
    return Organization(
        id=OrganizationId(row.id),
        slug=row.slug,
        name=row.name,
        plan=row.plan,
        billing_reference=row.billing_reference,
        settings=row.settings,
        status=row.status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def organization_not_found() -> NotFoundError:
    return NotFoundError(
        "there is no such organization, or it is not yours",
        code="organization_not_found",
        hint="GET /api/v1/orgs lists yours",
    )


def _named(slug_or_id: str) -> ColumnElement[bool]:
    organization_id = as_id(slug_or_id)
    if organization_id is not None:
        return organizations.c.id == organization_id
    # A slug that could not exist is not even asked for: PostgreSQL refuses some texts with an error.
    return organizations.c.slug == slug_or_id if could_be_slug(slug_or_id) else false()
