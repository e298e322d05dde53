"""Reads of roles and of who holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from strata_core.access.grants import Grant
from strata_core.access.permissions import Role
from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.listing.pages import oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.role_rows import key_columns, key_from, node_from, roles_with_ancestors
from strata_core.roles.rules import BUILT_IN, RoleKey, grants_of, role_not_found
from strata_core.roles.subjects import Subject, SubjectKind, subject_from
from strata_datamodel.ids import RoleAssignmentId, RoleId
from strata_datamodel.tables.roles import role_assignments, roles


@dataclass(frozen=True, slots=True)
class RoleView:
    """`own` is what the role itself says, `effective` all it holds. A built-in one has neither id nor version."""

    id: RoleId | None
    name: str
    description: str
    parent: RoleKey | None
    own: frozenset[Grant]
    effective: frozenset[Grant]
    version: int
    created_at: datetime | None
    updated_at: datetime | None

    @property
    def key(self) -> RoleKey:
        return Role(self.name) if self.id is None else self.id


@dataclass(frozen=True, slots=True)
class Assignment:
    id: RoleAssignmentId
    subject: Subject
    role: RoleKey
    created_at: datetime


def role(ctx: Context, uow: UnitOfWork, key: RoleKey) -> RoleView:
    require(ctx, "roles:read")
    return _built_in(key) if isinstance(key, Role) else role_view(uow, key)


def role_view(uow: UnitOfWork, role_id: RoleId) -> RoleView:
    row = uow.execute(
        select(roles).where(roles.c.organization_id == uow.organization_id, roles.c.id == role_id)
    ).one_or_none()
    if row is None:
        raise role_not_found()
    return _views(uow, [row])[0]


def built_in_roles(ctx: Context) -> list[RoleView]:
    require(ctx, "roles:read")
    return [_built_in(key) for key in Role]


def role_page(ctx: Context, uow: UnitOfWork, *, limit: int, after: UUID | None = None) -> list[RoleView]:
    """The organization's own, oldest first."""
    require(ctx, "roles:read")
    wanted = select(roles).where(roles.c.organization_id == uow.organization_id)
    return _views(uow, uow.execute(oldest_first(wanted, roles.c.id, after=after, limit=limit)).all())


def assignment_page(
    ctx: Context,
    uow: UnitOfWork,
    *,
    limit: int,
    after: UUID | None = None,
    subject: Subject | None = None,
    key: RoleKey | None = None,
) -> list[Assignment]:
    """Oldest first."""
    require(ctx, "roles:read")
    table = role_assignments
    wanted = select(table).where(table.c.organization_id == uow.organization_id)
    if subject is not None:
        wanted = wanted.where(table.c[subject.column] == subject.id)
    if key is not None:
        wanted = wanted.where(*(table.c[name] == value for name, value in _role_columns(key).items() if value))
    return [assignment_from(row) for row in uow.execute(oldest_first(wanted, table.c.id, after=after, limit=limit))]


def assignment_from(row: Row[Any]) -> Assignment:
    key = key_from(row.role_id, row.built_in)
    if key is None:  # the table's check forbids it
        raise role_not_found()
    held = {kind: getattr(row, f"{kind.value}_id") for kind in (SubjectKind.USER, SubjectKind.TEAM)}
    held[SubjectKind.SERVICE_ACCOUNT] = row.service_account_id
    return Assignment(RoleAssignmentId(row.id), subject_from(held), key, row.created_at)


def _role_columns(key: RoleKey) -> dict[str, object]:
    return key_columns(key, "role_id", "built_in")


def _built_in(key: Role) -> RoleView:
    own = BUILT_IN[key].own
    return RoleView(None, key.value, "", None, own, own, 1, None, None)


def _views(uow: UnitOfWork, rows: Sequence[Row[Any]]) -> list[RoleView]:
    nodes = [node_from(row) for row in rows]
    custom = roles_with_ancestors(uow, [RoleId(row.id) for row in rows])
    return [
        RoleView(
            id=RoleId(row.id),
            name=row.name,
            description=row.description,
            parent=node.parent,
            own=node.own,
            effective=grants_of(node.key, custom),
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row, node in zip(rows, nodes, strict=True)
    ]
