"""What a role holds by itself and by inheritance, and which roles can be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from strata_core.access.grants import SCOPABLE, Grant, is_known, scope_of, unscoped
from strata_core.access.permissions import ASSIGNED_ONLY, PERMISSIONS, ROLE_PERMISSIONS, Role
from strata_datamodel.errors import ConflictError, DeniedError, InvalidError, NotFoundError, Problem
from strata_datamodel.ids import RoleId
from strata_datamodel.limits import (
    DESCRIPTION_LENGTH,
    LABELS_PER_SCOPE,
    NAME_LENGTH,
    PERMISSIONS_PER_ROLE,
    ROLE_DEPTH,
    TAG_LENGTH,
)

RoleKey = Role | RoleId
"""A built-in role by its name, or one of the organization's own by its id."""


@dataclass(frozen=True, slots=True)
class RoleNode:
    """One role in the tree of those that inherit. `own` leaves out what is inherited."""

    key: RoleKey
    name: str
    parent: RoleKey | None
    own: frozenset[Grant]


@dataclass(frozen=True, slots=True)
class RoleDraft:
    name: str
    description: str = ""
    parent: RoleKey | None = None
    grants: tuple[Grant, ...] = ()


CustomRoles = Mapping[RoleId, RoleNode]

BUILT_IN: Final[Mapping[Role, RoleNode]] = {
    role: RoleNode(role, role.value, None, unscoped(ROLE_PERMISSIONS[role])) for role in Role
}


def role_key(text: str) -> RoleKey:
    """Raises NotFoundError for what names no role."""
    if text in set(Role):
        return Role(text)
    try:
        return RoleId(UUID(text))
    except ValueError:
        raise role_not_found() from None


def node_of(key: RoleKey, custom: CustomRoles) -> RoleNode | None:
    return BUILT_IN[key] if isinstance(key, Role) else custom.get(key)


def line_of(key: RoleKey | None, custom: CustomRoles) -> tuple[RoleNode, ...]:
    """The role and what it inherits from, nearest first. Never longer than ROLE_DEPTH, whatever the rows say."""
    line: list[RoleNode] = []
    while key is not None and len(line) < ROLE_DEPTH and (node := node_of(key, custom)) is not None:
        line.append(node)
        key = node.parent
    return tuple(line)


def grants_of(key: RoleKey | None, custom: CustomRoles) -> frozenset[Grant]:
    """All that the role holds, inherited or not."""
    return frozenset(grant for node in line_of(key, custom) for grant in node.own if is_known(grant))


def check_parent(role_id: RoleId | None, parent: RoleKey | None, custom: CustomRoles) -> None:
    """Whether the role may inherit from `parent`. `custom` is how things stand, and stay until this is written."""
    if parent is None:
        return
    if parent is Role.OWNER:
        raise owner_by_membership()
    if node_of(parent, custom) is None:
        raise InvalidError(
            "the parent does not exist", code="bad_role", problems=[Problem("/parent", "there is no such role")]
        )
    line = line_of(parent, custom)
    if role_id is not None and any(node.key == role_id for node in line):
        way = " → ".join(node.name for node in line)
        raise ConflictError(
            f"the role would inherit from itself: {way}", code="role_cycle", hint="choose a parent above it"
        )
    if len(line) + _height(role_id, custom) > ROLE_DEPTH:
        raise InvalidError(
            f"roles inherit over at most {ROLE_DEPTH} steps",
            code="role_too_deep",
            hint="inherit from a role nearer to the top (limit ROLE_DEPTH)",
        )


def _height(role_id: RoleId | None, custom: CustomRoles) -> int:
    """How many roles stand below one another from this one down, itself counted."""
    level = [role_id] if role_id is not None else []
    height = 1
    while level and height <= ROLE_DEPTH:
        above = set(level)
        level = [node.key for node in custom.values() if node.parent in above and not isinstance(node.key, Role)]
        height += bool(level)
    return height


def check_draft(draft: RoleDraft) -> None:
    """Raises InvalidError (code `bad_role`) with every problem at its place."""
    problems = name_problems(draft.name, draft.description)
    if draft.name.strip().casefold() in {*Role, ASSIGNED_ONLY}:
        problems.append(Problem("/name", "is the name of a built-in role"))
    if len(draft.grants) > PERMISSIONS_PER_ROLE:
        problems.append(Problem("/permissions", f"expected at most {PERMISSIONS_PER_ROLE}"))
    for number, grant in enumerate(draft.grants[:PERMISSIONS_PER_ROLE]):
        problems += _grant_problems(f"/permissions/{number}", grant)
    if problems:
        raise InvalidError("this role cannot be kept", code="bad_role", problems=problems)


def name_problems(name: str, description: str) -> list[Problem]:
    problems = []
    if not 1 <= len(name.strip()) <= NAME_LENGTH or not name.isprintable():
        problems.append(Problem("/name", f"expected 1 to {NAME_LENGTH} printable characters"))
    if len(description) > DESCRIPTION_LENGTH:
        problems.append(Problem("/description", f"expected at most {DESCRIPTION_LENGTH} characters"))
    return problems


def _grant_problems(where: str, grant: Grant) -> list[Problem]:
    if grant.permission not in PERMISSIONS:
        return [Problem(where, f"there is no permission {grant.permission[:80]}")]
    if not grant.scope:
        return []
    if grant.permission.partition(":")[0] not in SCOPABLE:
        names = ", ".join(sorted(SCOPABLE))
        return [Problem(f"{where}/labels", f"{grant.permission} cannot be limited to labels; these can: {names}")]
    fits = all(0 < len(key) <= TAG_LENGTH and len(value) <= TAG_LENGTH for key, value in grant.scope)
    if len(grant.scope) > LABELS_PER_SCOPE or not fits:
        return [Problem(f"{where}/labels", f"at most {LABELS_PER_SCOPE}, each of at most {TAG_LENGTH} characters")]
    return []


def documents_of(grants: Iterable[Grant]) -> list[dict[str, object]]:
    """As rows and the API have them."""
    documents: list[dict[str, object]] = []
    for grant in sorted(set(grants)):
        resource, _, action = grant.permission.partition(":")
        document: dict[str, object] = {"resource": resource, "action": action}
        documents.append({**document, "labels": dict(grant.scope)} if grant.scope else document)
    return documents


def grants_from(documents: Iterable[Mapping[str, object]]) -> tuple[Grant, ...]:
    grants = []
    for document in documents:
        labels = document.get("labels")
        scope = scope_of({str(key): str(value) for key, value in labels.items()}) if isinstance(labels, dict) else ()
        grants.append(Grant(f"{document['resource']}:{document['action']}", scope))
    return tuple(grants)


def role_not_found() -> NotFoundError:
    return NotFoundError("there is no such role", code="role_not_found", hint="GET roles lists them")


def owner_by_membership() -> DeniedError:
    return DeniedError(
        "an owner is one by membership, and not by a role that is assigned or inherited",
        code="owner_by_membership",
        hint="change the role of the member instead; an organization counts its owners there",
    )
