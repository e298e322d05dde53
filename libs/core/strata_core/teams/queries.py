"""Reads of teams and of who is in them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.listing.pages import oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.holders import Holder, HolderKind
from strata_core.teams.events import TEAM_CHANGED, TEAM_CREATED, TEAM_DELETED, team_event
from strata_datamodel.ids import TeamId, UserId
from strata_datamodel.limits import TEAMS_PER_ORGANIZATION
from strata_datamodel.tables.teams import team_members, teams
from strata_datamodel.tables.users import users

Team = Holder[TeamId]
TEAMS: Final = HolderKind(
    "team", "team", teams, TEAMS_PER_ORGANIZATION, TeamId, team_event, TEAM_CREATED, TEAM_CHANGED, TEAM_DELETED
)


@dataclass(frozen=True, slots=True)
class TeamMember:
    user_id: UserId
    email: str
    name: str
    created_at: datetime


def team(ctx: Context, uow: UnitOfWork, team_id: TeamId) -> Team:
    require(ctx, "teams:read")
    return TEAMS.row(uow, team_id)


def team_page(ctx: Context, uow: UnitOfWork, *, limit: int, after: UUID | None = None) -> list[Team]:
    """Oldest first."""
    require(ctx, "teams:read")
    return TEAMS.page(uow, limit=limit, after=after)


def team_member_page(
    ctx: Context, uow: UnitOfWork, team_id: TeamId, *, limit: int, after: UUID | None = None
) -> list[TeamMember]:
    """By the user's id."""
    require(ctx, "teams:read")
    TEAMS.row(uow, team_id)
    table = team_members
    wanted = (
        select(table.c.user_id, users.c.email, users.c.name, table.c.created_at)
        .join_from(table, users, users.c.id == table.c.user_id)
        .where(and_(table.c.organization_id == uow.organization_id, table.c.team_id == team_id))
    )
    rows = uow.execute(oldest_first(wanted, table.c.user_id, after=after, limit=limit))
    return [TeamMember(UserId(row.user_id), row.email, row.name, row.created_at) for row in rows]
