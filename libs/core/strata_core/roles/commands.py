"""Making, changing and giving roles. Whoever does any of it holds all that comes of it."""

from sqlalchemy import ColumnElement, Executable, Table, delete, func, insert, select, update

from strata_core.access.grants import Grant, uncovered
from strata_core.access.permissions import Role
from strata_core.access.rules import require, require_grantable
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.events import (
    ROLE_ASSIGNED,
    ROLE_CHANGED,
    ROLE_CREATED,
    ROLE_DELETED,
    ROLE_UNASSIGNED,
    role_event,
)
from strata_core.roles.queries import Assignment, RoleView, assignment_from, role_view
from strata_core.roles.role_rows import key_columns, locked_roles, roles_with_ancestors
from strata_core.roles.rules import (
    BUILT_IN,
    RoleDraft,
    RoleKey,
    RoleNode,
    check_draft,
    check_parent,
    documents_of,
    grants_of,
    owner_by_membership,
    role_not_found,
)
from strata_core.roles.subjects import Subject, subject_not_found
from strata_datamodel.errors import ConflictError, LimitError, NotFoundError, PreconditionError
from strata_datamodel.ids import RoleAssignmentId, RoleId
from strata_datamodel.limits import ROLES_PER_ORGANIZATION, ROLES_PER_SUBJECT
from strata_datamodel.tables.roles import role_assignments, roles


def create_role(ctx: Context, uow: UnitOfWork, draft: RoleDraft) -> RoleView:
    require(ctx, "roles:write")
    check_draft(draft)
    custom = locked_roles(uow)
    if len(custom) >= ROLES_PER_ORGANIZATION:
        raise LimitError(f"an organization has at most {ROLES_PER_ORGANIZATION} roles", hint="roles_per_organization")
    role_id = RoleId(new_id(uow))
    check_parent(None, draft.parent, custom)
    require_grantable(ctx, _effective(role_id, draft, custom))
    values = {"organization_id": uow.organization_id, "id": role_id, **_columns(draft)}
    _write(uow, insert(roles).values(values))
    return _told(ctx, uow, ROLE_CREATED, None, role_view(uow, role_id))


def replace_role(ctx: Context, uow: UnitOfWork, role_id: RoleId, draft: RoleDraft, version: int) -> RoleView:
    """Takes effect at once, for all who hold it and for all roles that inherit from it. What it gains has to be held
    by whoever changes it; taking away needs no more than the permission to change roles."""
    require(ctx, "roles:write")
    check_draft(draft)
    custom = locked_roles(uow)
    before = _of_version(uow, role_id, version)
    check_parent(role_id, draft.parent, custom)
    require_grantable(ctx, uncovered(_effective(role_id, draft, custom), before.effective))
    raised = {**_columns(draft), "version": roles.c.version + 1, "updated_at": uow.now()}
    _write(uow, update(roles).where(_is_row(uow, roles, role_id)).values(raised))
    return _told(ctx, uow, ROLE_CHANGED, before, role_view(uow, role_id))


def delete_role(ctx: Context, uow: UnitOfWork, role_id: RoleId, version: int) -> None:
    """Raises ConflictError (code `role_in_use`) while anybody holds it or another role inherits from it."""
    require(ctx, "roles:write")
    custom = locked_roles(uow)
    before = _of_version(uow, role_id, version)
    heirs = sorted(node.name for node in custom.values() if node.parent == role_id)
    held = uow.execute(
        select(func.count())
        .select_from(role_assignments)
        .where(role_assignments.c.organization_id == uow.organization_id, role_assignments.c.role_id == role_id)
    ).scalar_one()
    if heirs or held:
        raise _in_use(f"{held} hold it" + (f", and {', '.join(heirs[:5])} inherit from it" if heirs else ""))
    try:
        uow.execute(delete(roles).where(_is_row(uow, roles, role_id)))
    except ConflictError as error:  # given to somebody in this moment
        raise _in_use("somebody was given it just now") from error
    record(ctx, uow, ROLE_DELETED, "role", str(role_id), before=_document(before))
    append(uow, role_event(ROLE_DELETED, role_id, {"name": before.name}))


def assign_role(ctx: Context, uow: UnitOfWork, subject: Subject, role: RoleKey) -> Assignment:
    """Takes effect at once. Raises ConflictError (code `already_assigned`)."""
    require(ctx, "roles:write")
    column = subject.column
    if role is Role.OWNER:
        raise owner_by_membership()
    custom = roles_with_ancestors(uow, [] if isinstance(role, Role) else [role])
    if not isinstance(role, Role) and role not in custom:
        raise role_not_found()
    require_grantable(ctx, grants_of(role, custom))
    mine = (role_assignments.c.organization_id == uow.organization_id, role_assignments.c[column] == subject.id)
    held = uow.execute(select(func.count()).select_from(role_assignments).where(*mine)).scalar_one()
    if held >= ROLES_PER_SUBJECT:
        raise LimitError(f"nobody holds more than {ROLES_PER_SUBJECT} roles", hint="roles_per_subject")
    values = {
        "organization_id": uow.organization_id,
        "id": RoleAssignmentId(new_id(uow)),
        column: subject.id,
        **key_columns(role, "role_id", "built_in"),
    }
    try:
        row = uow.execute(insert(role_assignments).values(values).returning(*role_assignments.c)).one()
    except ConflictError as error:
        if error.code == "already_exists":
            raise ConflictError("they hold this role already", code="already_assigned") from error
        raise subject_not_found() from error
    made = assignment_from(row)
    record(ctx, uow, ROLE_ASSIGNED, "role_assignment", str(made.id), after=_assigned(made, custom))
    append(uow, role_event(ROLE_ASSIGNED, made.id, {"subject": str(subject)}))
    return made


def unassign_role(ctx: Context, uow: UnitOfWork, assignment_id: RoleAssignmentId) -> None:
    require(ctx, "roles:write")
    gone = delete(role_assignments).where(_is_row(uow, role_assignments, assignment_id))
    row = uow.execute(gone.returning(*role_assignments.c)).one_or_none()
    if row is None:
        raise NotFoundError("there is no such assignment", code="assignment_not_found")
    lost = assignment_from(row)
    custom = roles_with_ancestors(uow, [] if isinstance(lost.role, Role) else [lost.role])
    record(ctx, uow, ROLE_UNASSIGNED, "role_assignment", str(assignment_id), before=_assigned(lost, custom))
    append(uow, role_event(ROLE_UNASSIGNED, assignment_id, {"subject": str(lost.subject)}))


def _is_row(uow: UnitOfWork, table: Table, row_id: object) -> ColumnElement[bool]:
    return (table.c.organization_id == uow.organization_id) & (table.c.id == row_id)


def _of_version(uow: UnitOfWork, role_id: RoleId, version: int) -> RoleView:
    """All roles are locked by now."""
    found = role_view(uow, role_id)
    if found.version != version:
        raise PreconditionError("the role was changed since you read it", hint="read it again and repeat your change")
    return found


def _effective(role_id: RoleId, draft: RoleDraft, custom: dict[RoleId, RoleNode]) -> frozenset[Grant]:
    node = RoleNode(role_id, draft.name, draft.parent, frozenset(draft.grants))
    return grants_of(role_id, {**custom, role_id: node})


def _columns(draft: RoleDraft) -> dict[str, object]:
    return {
        "name": draft.name.strip(),
        "description": draft.description,
        "permissions": documents_of(draft.grants),
        **key_columns(draft.parent, "parent_id", "parent_built_in"),
    }


def _write(uow: UnitOfWork, statement: Executable) -> None:
    try:
        uow.execute(statement)
    except ConflictError as error:
        if error.code != "already_exists":
            raise
        raise ConflictError("there is a role of this name already", code="role_name_taken") from error


def _told(ctx: Context, uow: UnitOfWork, kind: str, before: RoleView | None, after: RoleView) -> RoleView:
    if after.id is None:
        return after
    old = None if before is None else _document(before)
    record(ctx, uow, kind, "role", str(after.id), before=old, after=_document(after))
    append(uow, role_event(kind, after.id, {"name": after.name}))
    return after


def _document(view: RoleView) -> dict[str, object]:
    return {
        "name": view.name,
        "description": view.description,
        "parent": None if view.parent is None else str(view.parent),
        "permissions": documents_of(view.own),
    }


def _assigned(assignment: Assignment, custom: dict[RoleId, RoleNode]) -> dict[str, object]:
    role = assignment.role
    name = BUILT_IN[role].name if isinstance(role, Role) else custom[role].name
    return {"subject": str(assignment.subject), "role": str(role), "role_name": name}


def _in_use(why: str) -> ConflictError:
    return ConflictError(
        f"the role is in use: {why}", code="role_in_use", hint="take it from them and change its heirs first"
    )
