"""Teams, and who is in them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.etags import tag_of
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_api.versioned import matched, shown
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.teams.commands import (
    add_team_member,
    change_team,
    create_team,
    delete_team,
    remove_team_member,
)
from strata_core.teams.queries import team, team_member_page, team_page
from strata_datamodel.ids import TeamId, UserId
from strata_datamodel.limits import DESCRIPTION_LENGTH, NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/teams", tags=["teams"])
_LIST = "teams_list"
_MEMBERS = "team_members_list"


class TeamForm(Sent):
    name: Text = Field(min_length=1, max_length=NAME_LENGTH)
    description: Text = Field("", max_length=DESCRIPTION_LENGTH)


class TeamOut(Shown):
    id: UUID
    name: str
    description: str
    version: int
    created_at: Instant
    updated_at: Instant


class TeamMemberOut(Shown):
    user_id: UUID
    email: str
    name: str
    created_at: Instant


@router.get("", operation_id=_LIST, summary="Teams, oldest first")
def list_teams(access: Annotated[Access, requires("teams:read")], paged: Paged) -> Page[TeamOut]:
    listing = access.listing(paged, _LIST)
    with access.unit() as uow:
        rows = team_page(access.ctx, uow, limit=listing.fetch, after=listing.after(UUID))
    return listing.page(rows, TeamOut.model_validate, lambda row: [row.id])


@router.post("", operation_id="teams_create", summary="Make a team", status_code=201, response_model=TeamOut)
def post_team(access: Annotated[Access, requires("teams:write")], body: TeamForm, once: OnlyOnce) -> Response:
    def work(uow: UnitOfWork) -> Made:
        made = create_team(access.ctx, uow, name=body.name, description=body.description)
        return Made(TeamOut.model_validate(made), tag_of(made))

    return once.answer(access, work)


@router.get("/{team_id}", operation_id="teams_get", summary="One team")
def get_team(access: Annotated[Access, requires("teams:read")], team_id: UUID, response: Response) -> TeamOut:
    with access.unit() as uow:
        found = team(access.ctx, uow, TeamId(team_id))
    return shown(response, TeamOut, found)


@router.put("/{team_id}", operation_id="teams_replace", summary="Replace a team")
def put_team(
    access: Annotated[Access, requires("teams:write")],
    team_id: UUID,
    body: TeamForm,
    request: Request,
    response: Response,
) -> TeamOut:
    with access.unit() as uow:
        current = matched(request, team(access.ctx, uow, TeamId(team_id)))
        changed = change_team(
            access.ctx, uow, current.id, name=body.name, description=body.description, version=current.version
        )
    return shown(response, TeamOut, changed)


@router.delete("/{team_id}", operation_id="teams_delete", summary="Delete a team; its members stay", status_code=204)
def remove_team(access: Annotated[Access, requires("teams:write")], team_id: UUID, request: Request) -> None:
    with access.unit() as uow:
        current = matched(request, team(access.ctx, uow, TeamId(team_id)))
        delete_team(access.ctx, uow, current.id, current.version)


@router.get("/{team_id}/members", operation_id=_MEMBERS, summary="Who is in a team")
def list_team_members(
    access: Annotated[Access, requires("teams:read")], team_id: UUID, paged: Paged
) -> Page[TeamMemberOut]:
    listing = access.listing(paged, _MEMBERS, {"team_id": team_id})
    with access.unit() as uow:
        rows = team_member_page(access.ctx, uow, TeamId(team_id), limit=listing.fetch, after=listing.after(UUID))
    return listing.page(rows, TeamMemberOut.model_validate, lambda row: [row.user_id])


@router.put(
    "/{team_id}/members/{user_id}", operation_id="team_members_add", summary="Put a member into a team", status_code=204
)
def put_team_member(access: Annotated[Access, requires("teams:write")], team_id: UUID, user_id: UUID) -> None:
    """They hold at once what the team holds, so you must hold it too. Doing it again changes nothing."""
    with access.unit() as uow:
        add_team_member(access.ctx, uow, TeamId(team_id), UserId(user_id))


@router.delete(
    "/{team_id}/members/{user_id}",
    operation_id="team_members_remove",
    summary="Take a member out of a team",
    status_code=204,
)
def drop_team_member(access: Annotated[Access, requires("teams:write")], team_id: UUID, user_id: UUID) -> None:
    with access.unit() as uow:
        remove_team_member(access.ctx, uow, TeamId(team_id), UserId(user_id))
