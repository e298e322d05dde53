"""What somebody may do: each role they hold, through what, and each permission with the role that gives it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from strata_core.access.grants import Grant, is_known, narrowed, unscoped
from strata_core.access.permissions import ASSIGNED_ONLY, Role
from strata_core.access.queries import KeyIdentity
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.role_rows import key_from, roles_with_ancestors
from strata_core.roles.rules import BUILT_IN, RoleKey, RoleNode, line_of
from strata_datamodel.ids import ServiceAccountId, TeamId, UserId
from strata_datamodel.tables.roles import role_assignments
from strata_datamodel.tables.teams import team_members, teams


class Via(StrEnum):
    MEMBERSHIP = "membership"
    ASSIGNMENT = "assignment"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that somebody holds. The team is named when it is the team that was given the role."""

    role: RoleKey
    via: Via
    team_id: UUID | None = None
    team_name: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """`line` leads from the role that is held to the one that gives the permission, by inheritance."""

    grant: Grant
    held: HeldRole
    line: tuple[RoleNode, ...]


def member_grants(uow: UnitOfWork, user_id: UserId, base_role: str) -> frozenset[Grant]:
    """In a unit of the organization. `base_role` is what the membership says."""
    if base_role == Role.OWNER:  # holds all there is: nothing could be added
        return BUILT_IN[Role.OWNER].own
    return granted(holdings(uow, roles_of_member(uow, user_id, base_role)))


def key_grants(uow: UnitOfWork, key: KeyIdentity) -> frozenset[Grant]:
    """In a unit of the organization: what the key's scopes name and, where it is a service account's, what the
    account may do just now."""
    if key.service_account_id is None:
        return unscoped(key.permissions)
    return narrowed(account_grants(uow, key.service_account_id), key.permissions)


def account_grants(uow: UnitOfWork, account_id: ServiceAccountId) -> frozenset[Grant]:
    return granted(holdings(uow, roles_of_account(uow, account_id)))


def team_grants(uow: UnitOfWork, team_id: TeamId) -> frozenset[Grant]:
    return granted(holdings(uow, roles_of_team(uow, team_id)))


def granted(held: Iterable[Holding]) -> frozenset[Grant]:
    return frozenset(holding.grant for holding in held)


def roles_of_member(uow: UnitOfWork, user_id: UserId, base_role: str) -> list[HeldRole]:
    mine = select(team_members.c.team_id).where(
        team_members.c.organization_id == uow.organization_id, team_members.c.user_id == user_id
    )
    base = [] if base_role == ASSIGNED_ONLY else [HeldRole(Role(base_role), Via.MEMBERSHIP)]
    return base + _assigned(
        uow, or_(role_assignments.c.user_id == user_id, role_assignments.c.team_id.in_(mine)), Via.TEAM
    )


def roles_of_team(uow: UnitOfWork, team_id: TeamId) -> list[HeldRole]:
    return _assigned(uow, role_assignments.c.team_id == team_id, Via.ASSIGNMENT)


def roles_of_account(uow: UnitOfWork, account_id: ServiceAccountId) -> list[HeldRole]:
    return _assigned(uow, role_assignments.c.service_account_id == account_id, Via.ASSIGNMENT)


def holdings(uow: UnitOfWork, held: Sequence[HeldRole]) -> tuple[Holding, ...]:
    custom = roles_with_ancestors(uow, [each.role for each in held if not isinstance(each.role, Role)])
    found: list[Holding] = []
    for each in held:
        line = line_of(each.role, custom)
        for depth, node in enumerate(line, 1):
            found += [Holding(grant, each, line[:depth]) for grant in sorted(node.own) if is_known(grant)]
    return tuple(found)


def _assigned(uow: UnitOfWork, whose: ColumnElement[bool], via_team: Via) -> list[HeldRole]:
    table = role_assignments
    of_team = and_(teams.c.organization_id == table.c.organization_id, teams.c.id == table.c.team_id)
    wanted = (
        select(table.c.role_id, table.c.built_in, table.c.team_id, teams.c.name)
        .join_from(table, teams, of_team, isouter=True)
        .where(table.c.organization_id == uow.organization_id, whose)
        .order_by(table.c.id)
    )
    held = []
    for row in uow.execute(wanted):
        role = key_from(row.role_id, row.built_in)
        if role is not None:
            via = Via.ASSIGNMENT if row.team_id is None else via_team
            held.append(HeldRole(role, via, row.team_id, row.name))
    return held
