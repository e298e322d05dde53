"""Roles as rows: read for deciding, and locked for changing."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, literal, select

from strata_core.access.permissions import Role
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.rules import RoleKey, RoleNode, grants_from
from strata_datamodel.ids import RoleId
from strata_datamodel.limits import ROLE_DEPTH
from strata_datamodel.tables.roles import roles


def key_from(role_id: object, built_in: str | None) -> RoleKey | None:
    if built_in is not None:
        return Role(built_in)
    return None if role_id is None else RoleId(role_id)  # type: ignore[arg-type]


def key_columns(key: RoleKey | None, id_column: str, built_in_column: str) -> dict[str, object]:
    is_built_in = isinstance(key, Role)
    return {id_column: None if is_built_in else key, built_in_column: key.value if isinstance(key, Role) else None}


def node_from(row: Mapping[Any, Any] | Row[Any]) -> RoleNode:
    values = row._mapping if isinstance(row, Row) else row  # noqa: SLF001  # SQLAlchemy's public name for it
    return RoleNode(
        key=RoleId(values["id"]),
        name=values["name"],
        parent=key_from(values["parent_id"], values["parent_built_in"]),
        own=frozenset(grants_from(values["permissions"])),
    )


def roles_with_ancestors(uow: UnitOfWork, wanted: Iterable[RoleId]) -> dict[RoleId, RoleNode]:
    """These roles and all they inherit from, in one statement."""
    ids = list(set(wanted))
    if not ids:
        return {}
    here = roles.c.organization_id == uow.organization_id
    columns = (roles.c.id, roles.c.name, roles.c.parent_id, roles.c.parent_built_in, roles.c.permissions)
    first = select(*columns, literal(1).label("depth")).where(here, roles.c.id.in_(ids))
    line = first.cte("line", recursive=True)
    above = select(*columns, line.c.depth + 1).where(here, roles.c.id == line.c.parent_id, line.c.depth < ROLE_DEPTH)
    return _by_id(uow.execute(select(line.union_all(above))).all())


def all_roles(uow: UnitOfWork) -> dict[RoleId, RoleNode]:
    return _by_id(uow.execute(select(roles).where(roles.c.organization_id == uow.organization_id)).all())


def locked_roles(uow: UnitOfWork) -> dict[RoleId, RoleNode]:
    """All of the organization's, until the transaction ends: two who each set a parent at once would else make a circle
    that neither saw. Read anew after the lock, as what was waited for has changed it."""
    here = select(roles.c.id).where(roles.c.organization_id == uow.organization_id)
    uow.execute(here.order_by(roles.c.id).with_for_update()).all()
    return all_roles(uow)


def _by_id(rows: Iterable[Row[Any]]) -> dict[RoleId, RoleNode]:
    return {RoleId(row.id): node_from(row) for row in rows}
