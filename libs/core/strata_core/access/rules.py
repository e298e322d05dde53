"""Pure decisions about access, each with its reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strata_core.access.grants import Grant, Scope, scope_text, uncovered, unscoped
from strata_core.context import Context
from strata_datamodel.errors import DeniedError, InvalidError, Problem
from strata_datamodel.limits import EMAIL_LENGTH, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN

TOUCH_INTERVAL: Final = timedelta(minutes=1)
"""`last used` and `last seen` are written this often at most: a busy key must not turn reads into writes."""
_SCOPES_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """`code` is empty when allowed."""

    is_allowed: bool
    code: str
    reason: str


def authorise(
    permissions: frozenset[str], scoped: Iterable[Grant], permission: str, labels: Mapping[str, str] | None = None
) -> Decision:
    """The one decision that routes, commands, queries and explanations ask for. `labels` are those of the entity in
    question; None asks for the permission everywhere, which a scoped one never is."""
    if permission in permissions:
        return Decision(True, "", f"{permission} is held everywhere")
    held = [grant for grant in scoped if grant.permission == permission]
    if not held:
        return Decision(False, "permission_missing", f"this needs the permission {permission}")
    reached = sorted(grant for grant in held if labels is not None and grant.reaches(labels))
    if reached:
        return Decision(True, "", f"{reached[0]} is held")
    where = " or ".join(scope_text(grant.scope) for grant in sorted(held)[:_SCOPES_TOLD])
    return Decision(False, "outside_scope", f"this needs the permission {permission}, held here only where {where}")


def require(ctx: Context, permission: str, labels: Mapping[str, str] | None = None) -> None:
    """Raises DeniedError (code `permission_missing`, or `outside_scope` when it is held for other labels only)."""
    decision = authorise(ctx.permissions, ctx.scoped, permission, labels)
    if not decision.is_allowed:
        raise _denied(decision, permission)


def require_somewhere(ctx: Context, permission: str) -> None:
    """For lists, which show what is in scope, and for the door of a route whose command looks at the entity."""
    if not any(grant.permission == permission for grant in ctx.scoped):
        require(ctx, permission)


def is_within(ctx: Context, permission: str, labels: Mapping[str, str]) -> bool:
    return authorise(ctx.permissions, ctx.scoped, permission, labels).is_allowed


def scopes_of(ctx: Context, permission: str) -> tuple[Scope, ...] | None:
    """The scopes that a list is filtered by, any of them sufficing; None when all may be seen."""
    if permission in ctx.permissions:
        return None
    return tuple(sorted(grant.scope for grant in ctx.scoped if grant.permission == permission))


def held_by(ctx: Context) -> frozenset[Grant]:
    return unscoped(ctx.permissions) | ctx.scoped


def require_grantable(ctx: Context, granted: Iterable[str | Grant]) -> None:
    """Nobody grants what they do not hold. A scoped permission may be granted by who holds it in a wider scope."""
    wanted = [Grant(each) if isinstance(each, str) else each for each in granted]
    missing = [str(grant) for grant in uncovered(wanted, held_by(ctx))]
    if missing:
        raise DeniedError(
            f"you cannot grant what you do not hold: {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}",
            code="grant_exceeds_grantor",
        )


def _denied(decision: Decision, permission: str) -> DeniedError:
    return DeniedError(
        decision.reason,
        code=decision.code,
        hint=f"ask an owner or admin of the organization for a role or key with {permission}",
    )


def is_due_for_touch(last: datetime | None, now: datetime) -> bool:
    return last is None or now - last >= TOUCH_INTERVAL


def folded_email(email: str) -> str:
    """The form an address is stored and looked up in; raises InvalidError (code `bad_email`)."""
    folded = email.strip().casefold()
    name, at, domain = folded.rpartition("@")
    bad_text = any(character.isspace() or not character.isprintable() for character in folded)
    if (
        not (at and name and domain)
        or bad_text
        or "@" in name
        or len(folded) > EMAIL_LENGTH
        or folded != folded.lower()
    ):
        raise InvalidError(
            "this is not an e-mail address",
            code="bad_email",
            problems=[Problem("/email", "expected name@domain")],
        )
    return folded


def check_new_password(password: str) -> None:
    """Raises InvalidError (code `weak_password`)."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise InvalidError(
            f"a password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters",
            code="weak_password",
            problems=[Problem("/password", f"has {len(password)} characters")],
        )
