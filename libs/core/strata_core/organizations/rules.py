"""Pure decisions about organizations."""

import re
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from strata_datamodel.errors import DeniedError, InvalidError, LimitError, Problem
from strata_datamodel.limits import NAME_LENGTH, ORGANIZATIONS_PER_PERSON, SLUG_LENGTH

PROVISIONING: Final = "provisioning"
ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"
DELETING: Final = "deleting"
_CLOSED: Final = {
    PROVISIONING: (
        "organization_provisioning",
        "the organization is being set up",
        "try again in a moment",
    ),
    SUSPENDED: (
        "organization_suspended",
        "the organization is suspended: nobody can read or send until it is resumed",
        "whoever runs this installation can tell why, and resume it",
    ),
    DELETING: (
        "organization_deleting",
        "the organization is being deleted",
        "it cannot be used any more; ask whoever runs this installation if that is a mistake",
    ),
}

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
# They would read as a route or as the platform itself.
_RESERVED: Final = frozenset({"admin", "api", "me", "new", "strata", "system"})


def could_be_slug(text: str) -> bool:
    return len(text) <= SLUG_LENGTH and _SLUG.fullmatch(text) is not None


def check_slug(slug: str) -> str:
    """Raises InvalidError (code `bad_slug`). A slug never looks like an id: paths take either."""
    reason = None
    if len(slug) > SLUG_LENGTH:
        reason = f"has more than {SLUG_LENGTH} characters"
    elif not _SLUG.fullmatch(slug):
        reason = "expected lower-case letters, digits and inner hyphens"
    elif slug in _RESERVED:
        reason = "is reserved"
    elif as_id(slug) is not None:
        reason = "looks like an id"
    if reason is not None:
        raise InvalidError("this slug cannot be used", code="bad_slug", problems=[Problem("/slug", reason)])
    return slug


def check_name(name: str) -> str:
    """Raises InvalidError (code `bad_name`)."""
    stripped = name.strip()
    if not 1 <= len(stripped) <= NAME_LENGTH or not stripped.isprintable():
        raise InvalidError(
            "this name cannot be used",
            code="bad_name",
            problems=[Problem("/name", f"expected 1 to {NAME_LENGTH} printable characters")],
        )
    return stripped


def as_id(slug_or_id: str) -> UUID | None:
    try:
        return UUID(slug_or_id)
    except ValueError:
        return None


def require_active(status: str) -> None:
    """Raises DeniedError (codes `organization_` and the status). For people, programs and agents
    alike; what they sent before is kept."""
    if status != ACTIVE:
        code, detail, hint = _CLOSED[status]
        raise DeniedError(detail, code=code, hint=hint)


def require_room(owned: int) -> None:
    """Raises LimitError (code `organizations_limit`)."""
    if owned >= ORGANIZATIONS_PER_PERSON:
        raise LimitError(
            f"nobody makes another organization who owns {ORGANIZATIONS_PER_PERSON}",
            code="organizations_limit",
            hint="limit ORGANIZATIONS_PER_PERSON; whoever runs this installation can make more",
        )


def require_somewhere_to_go(statuses: Iterable[str]) -> None:
    """For signing in: raises as `require_active` does when every organization of a person is closed. Somebody who
    belongs to none may sign in, to accept an invitation."""
    known = sorted(statuses)
    if known and ACTIVE not in known:
        require_active(next(status for status in (PROVISIONING, SUSPENDED, DELETING) if status in known))
