"""Reads of teams and of who is in them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError, PreconditionError
from strata_datamodel.ids import TeamId, UserId
from strata_datamodel.tables.teams import team_members, teams
from strata_datamodel.tables.users import users


@dataclass(frozen=True, slots=True)
class Team:
    id: TeamId
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TeamMember:
    user_id: UserId
    email: str
    name: str
    created_at: datetime


def team(ctx: Context, uow: UnitOfWork, team_id: TeamId) -> Team:
    require(ctx, "teams:read")
    return team_row(uow, team_id)


def team_page(ctx: Context, uow: UnitOfWork, *, limit: int, after: UUID | None = None) -> list[Team]:
    """Oldest first."""
    require(ctx, "teams:read")
    wanted = select(teams).where(teams.c.organization_id == uow.organization_id)
    if after is not None:
        wanted = wanted.where(teams.c.id > after)
    return [_team(row) for row in uow.execute(wanted.order_by(teams.c.id).limit(limit))]


def team_member_page(
    ctx: Context, uow: UnitOfWork, team_id: TeamId, *, limit: int, after: UUID | None = None
) -> list[TeamMember]:
    """By the user's id."""
    require(ctx, "teams:read")
    team_row(uow, team_id)
    table = team_members
    wanted = (
        select(table.c.user_id, users.c.email, users.c.name, table.c.created_at)
        .join_from(table, users, users.c.id == table.c.user_id)
        .where(and_(table.c.organization_id == uow.organization_id, table.c.team_id == team_id))
    )
    if after is not None:
        wanted = wanted.where(table.c.user_id > after)
    rows = uow.execute(wanted.order_by(table.c.user_id).limit(limit))
    return [TeamMember(UserId(row.user_id), row.email, row.name, row.created_at) for row in rows]


def team_row(uow: UnitOfWork, team_id: TeamId, *, version: int | None = None, lock: bool = False) -> Team:
    """Raises PreconditionError when it is not the version the caller read."""
    wanted = select(teams).where(teams.c.organization_id == uow.organization_id, teams.c.id == team_id)
    row = uow.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None:
        raise NotFoundError("there is no such team", code="team_not_found")
    if version is not None and row.version != version:
        raise PreconditionError("the team was changed since you read it", hint="read it again and repeat your change")
    return _team(row)


def _team(row: Row[Any]) -> Team:
    return Team(TeamId(row.id), row.name, row.description, row.version, row.created_at, row.updated_at)
