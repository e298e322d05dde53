"""`strata roles`: made, changed, given and taken away."""

from collections.abc import Sequence
from dataclasses import dataclass

from strata_cli.access.acting import Acting, acting
from strata_cli.access.naming import all_roles, grant_of, own_role_named, role_named, subject_named
from strata_cli.rendering import out, print_document, print_json, print_outcome, print_table
from strata_core.access.permissions import Role
from strata_core.roles.commands import assign_role, create_role, delete_role, replace_role, unassign_role
from strata_core.roles.queries import Assignment, RoleView, assignment_page, role
from strata_core.roles.rules import RoleDraft, RoleKey, documents_of
from strata_core.roles.subjects import Subject
from strata_datamodel.errors import NotFoundError
from strata_datamodel.limits import PAGE_SIZE_MAX
from strata_stores.settings import Settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """None leaves as it is. An empty parent is none."""

    name: str | None
    description: str | None
    parent: str | None
    grants: tuple[str, ...] | None


def run_list(settings: Settings, org: str, acting_as: str | None, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "roles") as who:
        views = all_roles(who)
        names = _names(views)
    if as_json:
        print_json([_document(view) for view in views])
        return
    rows = [(view.id or "built in", view.name, _parent(view, names), len(view.effective)) for view in views]
    print_table(("id", "role", "inherits from", "permissions"), rows)


def run_show(settings: Settings, org: str, acting_as: str | None, name: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "roles") as who:
        view = role(who.ctx, who.uow, role_named(who, name))
        names = _names(all_roles(who))
        held = _assignments(who, key=view.key)
    if as_json:
        print_json({**_document(view), "assignments": [_assigned(each) for each in held]})
        return
    print_document({"role": view.name, "id": view.id or "built in", "inherits from": _parent(view, names) or "nothing"})
    inherited = sorted(view.effective - view.own)
    print_table(
        ("permission", ""), [(str(each), "") for each in sorted(view.own)] + [(str(e), "inherited") for e in inherited]
    )
    for each in held:
        out.print(f"given to {each.subject}", markup=False)


def run_create(settings: Settings, org: str, acting_as: str | None, wanted: Wanted, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "roles") as who:
        view = create_role(who.ctx, who.uow, _draft(who, wanted, None))
    _tell(view, "is made", as_json=as_json)


def run_update(
    settings: Settings, org: str, acting_as: str | None, name: str, wanted: Wanted, *, as_json: bool
) -> None:
    with acting(settings, org, acting_as, "roles") as who:
        role_id = own_role_named(who, name)
        before = role(who.ctx, who.uow, role_id)
        view = replace_role(who.ctx, who.uow, role_id, _draft(who, wanted, before), before.version)
    _tell(view, "is changed", as_json=as_json)


def run_delete(settings: Settings, org: str, acting_as: str | None, name: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "roles") as who:
        view = role(who.ctx, who.uow, own_role_named(who, name))
        delete_role(who.ctx, who.uow, own_role_named(who, name), view.version)
    _tell(view, "is deleted", as_json=as_json)


def run_assign(settings: Settings, org: str, acting_as: str | None, name: str, to: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "roles") as who:
        made = assign_role(who.ctx, who.uow, subject_named(who, to), role_named(who, name))
    print_outcome(_assigned(made), f"{to} holds {name} now", as_json=as_json)


def run_unassign(settings: Settings, org: str, acting_as: str | None, name: str, of: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "roles") as who:
        held = _assignments(who, key=role_named(who, name), subject=subject_named(who, of))
        if not held:
            raise NotFoundError(f"{of} was not given {name}", code="assignment_not_found")
        unassign_role(who.ctx, who.uow, held[0].id)
    print_outcome(_assigned(held[0]), f"{of} holds {name} no more", as_json=as_json)


def _assignments(who: Acting, *, key: RoleKey, subject: Subject | None = None) -> list[Assignment]:
    ctx, uow = who.ctx, who.uow
    return who.all(
        lambda after: assignment_page(ctx, uow, limit=PAGE_SIZE_MAX, after=after, subject=subject, key=key),
        lambda row: row.id,
    )


def _draft(who: Acting, wanted: Wanted, before: RoleView | None) -> RoleDraft:
    kept = RoleDraft("") if before is None else _as_draft(before)
    parent = kept.parent
    if wanted.parent is not None:
        parent = role_named(who, wanted.parent) if wanted.parent else None
    return RoleDraft(
        name=kept.name if wanted.name is None else wanted.name,
        description=kept.description if wanted.description is None else wanted.description,
        parent=parent,
        grants=kept.grants if wanted.grants is None else tuple(grant_of(text) for text in wanted.grants),
    )


def _as_draft(view: RoleView) -> RoleDraft:
    return RoleDraft(view.name, view.description, view.parent, tuple(sorted(view.own)))


def _names(views: Sequence[RoleView]) -> dict[str, str]:
    return {str(view.key): view.name for view in views}


def _parent(view: RoleView, names: dict[str, str]) -> str:
    return "" if view.parent is None else names.get(str(view.parent), str(view.parent))


def _tell(view: RoleView, what: str, *, as_json: bool) -> None:
    print_outcome(_document(view), f"{view.name} {what}", as_json=as_json)


def _document(view: RoleView) -> dict[str, object]:
    return {
        "id": None if view.id is None else str(view.id),
        "name": view.name,
        "is_built_in": isinstance(view.key, Role),
        "description": view.description,
        "parent": None if view.parent is None else str(view.parent),
        "permissions": documents_of(view.own),
        "effective_permissions": documents_of(view.effective),
        "version": view.version,
    }


def _assigned(each: Assignment) -> dict[str, object]:
    return {"id": str(each.id), "subject": str(each.subject), "role": str(each.role)}
