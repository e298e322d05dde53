"""Making teams, and putting members into them: who joins gets what the team holds."""

from sqlalchemy import ColumnElement, Executable, delete, func, insert, select, update

from strata_core.access.rules import require, require_grantable
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.effective import team_grants
from strata_core.roles.rules import name_problems
from strata_core.teams.events import TEAM_CHANGED, TEAM_CREATED, TEAM_DELETED, TEAM_JOINED, TEAM_LEFT, team_event
from strata_core.teams.queries import Team, team_row
from strata_datamodel.errors import ConflictError, InvalidError, LimitError, NotFoundError
from strata_datamodel.ids import TeamId, UserId
from strata_datamodel.limits import MEMBERS_PER_TEAM, TEAMS_PER_ORGANIZATION
from strata_datamodel.tables.teams import team_members, teams


def create_team(ctx: Context, uow: UnitOfWork, *, name: str, description: str = "") -> Team:
    require(ctx, "teams:write")
    _check(name, description)
    here = teams.c.organization_id == uow.organization_id
    if uow.execute(select(func.count()).select_from(teams).where(here)).scalar_one() >= TEAMS_PER_ORGANIZATION:
        raise LimitError(f"an organization has at most {TEAMS_PER_ORGANIZATION} teams", hint="teams_per_organization")
    team_id = TeamId(new_id(uow))
    values = {"organization_id": uow.organization_id, "id": team_id, "name": name.strip(), "description": description}
    _write(uow, insert(teams).values(values))
    return _told(ctx, uow, TEAM_CREATED, None, team_row(uow, team_id))


def change_team(ctx: Context, uow: UnitOfWork, team_id: TeamId, *, name: str, description: str, version: int) -> Team:
    require(ctx, "teams:write")
    _check(name, description)
    before = team_row(uow, team_id, version=version, lock=True)
    raised = {"version": teams.c.version + 1, "updated_at": uow.now()}
    values = {"name": name.strip(), "description": description, **raised}
    _write(uow, update(teams).where(_is_team(uow, team_id)).values(values))
    return _told(ctx, uow, TEAM_CHANGED, before, team_row(uow, team_id))


def delete_team(ctx: Context, uow: UnitOfWork, team_id: TeamId, version: int) -> None:
    """What it held goes with it: its members keep only what they hold otherwise."""
    require(ctx, "teams:write")
    before = team_row(uow, team_id, version=version, lock=True)
    uow.execute(delete(teams).where(_is_team(uow, team_id)))
    record(ctx, uow, TEAM_DELETED, "team", str(team_id), before=_document(before))
    append(uow, team_event(TEAM_DELETED, team_id, {"name": before.name}))


def add_team_member(ctx: Context, uow: UnitOfWork, team_id: TeamId, user_id: UserId) -> None:
    """Whoever puts somebody into a team gives them all that the team holds. Adding twice changes nothing."""
    require(ctx, "teams:write")
    team_row(uow, team_id, lock=True)
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
    team_row(uow, team_id, lock=True)
    gone = delete(team_members).where(_of_team(uow, team_id), team_members.c.user_id == user_id)
    if uow.execute(gone.returning(team_members.c.user_id)).one_or_none() is None:
        raise NotFoundError("they are not in this team", code="member_not_found")
    record(ctx, uow, TEAM_LEFT, "team", str(team_id), before={"user_id": str(user_id)})
    append(uow, team_event(TEAM_LEFT, team_id, {"user_id": str(user_id)}))


def _is_team(uow: UnitOfWork, team_id: TeamId) -> ColumnElement[bool]:
    return (teams.c.organization_id == uow.organization_id) & (teams.c.id == team_id)


def _of_team(uow: UnitOfWork, team_id: TeamId) -> ColumnElement[bool]:
    return (team_members.c.organization_id == uow.organization_id) & (team_members.c.team_id == team_id)


def _check(name: str, description: str) -> None:
    problems = name_problems(name, description)
    if problems:
        raise InvalidError("this team cannot be kept", code="bad_team", problems=problems)


def _write(uow: UnitOfWork, statement: Executable) -> None:
    try:
        uow.execute(statement)
    except ConflictError as error:
        if error.code != "already_exists":
            raise
        raise ConflictError("there is a team of this name already", code="team_name_taken") from error


def _told(ctx: Context, uow: UnitOfWork, kind: str, before: Team | None, after: Team) -> Team:
    old = None if before is None else _document(before)
    record(ctx, uow, kind, "team", str(after.id), before=old, after=_document(after))
    append(uow, team_event(kind, after.id, {"name": after.name}))
    return after


def _document(team: Team) -> dict[str, object]:
    return {"name": team.name, "description": team.description}
