"""Making teams, and putting members into them: who joins gets what the team holds."""

from sqlalchemy import ColumnElement, delete, insert, select

from strata_core.access.rules import require, require_grantable
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.effective import team_grants
from strata_core.teams.events import TEAM_JOINED, TEAM_LEFT, team_event
from strata_core.teams.queries import TEAMS, Team
from strata_datamodel.errors import ConflictError, LimitError, NotFoundError
from strata_datamodel.ids import TeamId, UserId
from strata_datamodel.limits import MEMBERS_PER_TEAM
from strata_datamodel.tables.teams import team_members


def create_team(ctx: Context, uow: UnitOfWork, *, name: str, description: str = "") -> Team:
    require(ctx, "teams:write")
    return TEAMS.make(ctx, uow, name, description)


def change_team(ctx: Context, uow: UnitOfWork, team_id: TeamId, *, name: str, description: str, version: int) -> Team:
    require(ctx, "teams:write")
    return TEAMS.change(ctx, uow, team_id, version, name, description)


def delete_team(ctx: Context, uow: UnitOfWork, team_id: TeamId, version: int) -> None:
    """What it held goes with it: its members keep only what they hold otherwise."""
    require(ctx, "teams:write")
    TEAMS.remove(ctx, uow, TEAMS.row(uow, team_id, version=version, lock=True))


def add_team_member(ctx: Context, uow: UnitOfWork, team_id: TeamId, user_id: UserId) -> None:
    """Whoever puts somebody into a team gives them all that the team holds. Adding twice changes nothing."""
    require(ctx, "teams:write")
    TEAMS.row(uow, team_id, lock=True)
    require_grantable(ctx, team_grants(uow, team_id))
    held = set(uow.execute(select(team_members.c.user_id).where(_of_team(uow, team_id))).scalars())
    if user_id in held:
        return
    if len(held) >= MEMBERS_PER_TEAM:
        raise LimitError(f"a team has at most {MEMBERS_PER_TEAM} members", hint="members_per_team")
    ids = {"organization_id": uow.organization_id, "team_id": team_id, "user_id": user_id}
    try:
        uow.execute(insert(team_members).values(ids))
    except ConflictError as error:
        raise NotFoundError("there is no such member", code="member_not_found") from error
    record(ctx, uow, TEAM_JOINED, "team", str(team_id), after={"user_id": str(user_id)})
    append(uow, team_event(TEAM_JOINED, team_id, {"user_id": str(user_id)}))


def remove_team_member(ctx: Context, uow: UnitOfWork, team_id: TeamId, user_id: UserId) -> None:
    require(ctx, "teams:write")
    TEAMS.row(uow, team_id, lock=True)
    gone = delete(team_members).where(_of_team(uow, team_id), team_members.c.user_id == user_id)
    if uow.execute(gone.returning(team_members.c.user_id)).one_or_none() is None:
        raise NotFoundError("they are not in this team", code="member_not_found")
    record(ctx, uow, TEAM_LEFT, "team", str(team_id), before={"user_id": str(user_id)})
    append(uow, team_event(TEAM_LEFT, team_id, {"user_id": str(user_id)}))


def _of_team(uow: UnitOfWork, team_id: TeamId) -> ColumnElement[bool]:
    return (team_members.c.organization_id == uow.organization_id) & (team_members.c.team_id == team_id)
