"""`strata teams`: who holds roles together."""

from uuid import UUID

from strata_cli.access.acting import Acting, acting, member_named
from strata_cli.access.holders import document, print_holders, reworded, tell
from strata_cli.access.naming import all_teams, team_named
from strata_cli.rendering import print_document, print_json, print_table
from strata_core.teams.commands import add_team_member, change_team, create_team, delete_team, remove_team_member
from strata_core.teams.queries import Team, TeamMember, team_member_page
from strata_datamodel.limits import PAGE_SIZE_MAX
from strata_stores.settings import Settings


def run_list(settings: Settings, org: str, acting_as: str | None, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "teams") as who:
        found = all_teams(who)
    print_holders("team", found, as_json=as_json)


def run_show(settings: Settings, org: str, acting_as: str | None, name: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "teams") as who:
        found = team_named(who, name)
        members = _members(who, found)
    if as_json:
        listed = [{"user_id": str(each.user_id), "email": each.email, "name": each.name} for each in members]
        print_json({**document(found), "members": listed})
        return
    print_document({"team": found.name, "id": found.id, "description": found.description})
    print_table(("member", "name"), [(each.email, each.name) for each in members])


def run_create(
    settings: Settings, org: str, acting_as: str | None, name: str, description: str, *, as_json: bool
) -> None:
    with acting(settings, org, acting_as, "teams") as who:
        made = create_team(who.ctx, who.uow, name=name, description=description)
    tell(made, "is made", as_json=as_json)


def run_update(
    settings: Settings,
    org: str,
    acting_as: str | None,
    name: str,
    new_name: str | None,
    description: str | None,
    *,
    as_json: bool,
) -> None:
    with acting(settings, org, acting_as, "teams") as who:
        before = team_named(who, name)
        wanted, text = reworded(before, new_name, description)
        changed = change_team(who.ctx, who.uow, before.id, name=wanted, description=text, version=before.version)
    tell(changed, "is changed", as_json=as_json)


def run_delete(settings: Settings, org: str, acting_as: str | None, name: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "teams") as who:
        gone = team_named(who, name)
        delete_team(who.ctx, who.uow, gone.id, gone.version)
    tell(gone, "is deleted", as_json=as_json)


def run_add(settings: Settings, org: str, acting_as: str | None, name: str, email: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "teams") as who:
        found = team_named(who, name)
        add_team_member(who.ctx, who.uow, found.id, member_named(who.ctx, who.uow, email).user_id)
    tell(found, f"has {email} in it", as_json=as_json)


def run_remove(settings: Settings, org: str, acting_as: str | None, name: str, email: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "teams") as who:
        found = team_named(who, name)
        remove_team_member(who.ctx, who.uow, found.id, member_named(who.ctx, who.uow, email).user_id)
    tell(found, f"has {email} in it no more", as_json=as_json)


def _members(who: Acting, found: Team) -> list[TeamMember]:
    return who.all(
        lambda after: team_member_page(who.ctx, who.uow, found.id, limit=PAGE_SIZE_MAX, after=after),
        lambda row: UUID(str(row.user_id)),
    )
