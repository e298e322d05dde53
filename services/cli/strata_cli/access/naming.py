"""What people call roles, teams and accounts: by name, where the API has ids."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from strata_cli.access.acting import Acting, member_named
from strata_core.access.grants import Grant, scope_of
from strata_core.access.permissions import Role
from strata_core.roles.queries import RoleView, built_in_roles, role_page
from strata_core.roles.rules import RoleKey, role_key
from strata_core.roles.subjects import Subject, SubjectKind, subject_of
from strata_core.service_accounts.queries import ServiceAccount, service_account, service_account_page
from strata_core.teams.queries import Team, team, team_page
from strata_datamodel.errors import InvalidError, NotFoundError
from strata_datamodel.ids import RoleId, ServiceAccountId, TeamId
from strata_datamodel.limits import PAGE_SIZE_MAX

_WHERE = " where "
N = TypeVar("N", RoleView, Team, ServiceAccount)


def all_roles(who: Acting) -> list[RoleView]:
    ctx, uow = who.ctx, who.uow
    own = who.all(lambda after: role_page(ctx, uow, limit=PAGE_SIZE_MAX, after=after), lambda row: UUID(str(row.id)))
    return built_in_roles(ctx) + own


def all_teams(who: Acting) -> list[Team]:
    return who.all(lambda after: team_page(who.ctx, who.uow, limit=PAGE_SIZE_MAX, after=after), lambda row: row.id)


def all_accounts(who: Acting) -> list[ServiceAccount]:
    return who.all(
        lambda after: service_account_page(who.ctx, who.uow, limit=PAGE_SIZE_MAX, after=after), lambda row: row.id
    )


def role_named(who: Acting, text: str) -> RoleKey:
    if text in set(Role) or _id(text) is not None:
        return role_key(text)
    return _of_name(all_roles(who), text, "role").key


def own_role_named(who: Acting, text: str) -> RoleId:
    """Raises InvalidError for a built-in one, which nobody changes."""
    key = role_named(who, text)
    if isinstance(key, Role):
        raise InvalidError(f"{text} is built in", code="built_in_role", hint="make a role that inherits from it")
    return key


def team_named(who: Acting, text: str) -> Team:
    team_id = _id(text)
    if team_id is not None:
        return team(who.ctx, who.uow, TeamId(team_id))
    return _of_name(all_teams(who), text, "team")


def account_named(who: Acting, text: str) -> ServiceAccount:
    account_id = _id(text)
    if account_id is not None:
        return service_account(who.ctx, who.uow, ServiceAccountId(account_id))
    return _of_name(all_accounts(who), text, "service account")


def subject_named(who: Acting, text: str) -> Subject:
    kind, colon, name = text.partition(":")
    if not colon and "@" in text:
        return Subject(SubjectKind.USER, member_named(who.ctx, who.uow, text).user_id)
    if kind == SubjectKind.TEAM:
        return Subject(SubjectKind.TEAM, team_named(who, name).id)
    if kind == SubjectKind.SERVICE_ACCOUNT:
        return Subject(SubjectKind.SERVICE_ACCOUNT, account_named(who, name).id)
    if kind == SubjectKind.USER and "@" in name:
        return Subject(SubjectKind.USER, member_named(who.ctx, who.uow, name).user_id)
    return subject_of(text)


def grant_of(text: str) -> Grant:
    """From `hosts:write`, or `hosts:write where env=prod, team=web`, as a grant reads."""
    permission, where, scope = text.strip().partition(_WHERE)
    return Grant(permission.strip(), scope_of(labels_of(scope.split(","))) if where else ())


def labels_of(pairs: list[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        key, equals, value = pair.strip().partition("=")
        if not (key and equals):
            raise InvalidError(f"{pair.strip()!r} is no label", code="bad_label", hint="labels are as env=prod")
        labels[key] = value
    return labels


def _of_name(found: Sequence[N], name: str, word: str) -> N:
    for each in found:
        if each.name == name:
            return each
    code, command = f"{word.replace(' ', '_')}_not_found", f"{word.replace(' ', '-')}s"
    raise NotFoundError(f"there is no {word} {name}", code=code, hint=f"`strata {command} list` shows them")


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
