"""Pure decisions about access, each with its reason."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from strata_core.context import Context
from strata_datamodel.errors import DeniedError, InvalidError, Problem
from strata_datamodel.limits import EMAIL_LENGTH, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN

TOUCH_INTERVAL: Final = timedelta(minutes=1)
"""`last used` and `last seen` are written this often at most: a busy key must not turn reads into writes."""


def require(ctx: Context, permission: str) -> None:
    if permission not in ctx.permissions:
        raise DeniedError(
            f"this needs the permission {permission}",
            code="permission_missing",
            hint=f"ask an owner or admin of the organization for a role or key with {permission}",
        )


def require_grantable(ctx: Context, granted: Iterable[str]) -> None:
    """Nobody grants what they do not hold."""
    missing = sorted(set(granted) - ctx.permissions)
    if missing:
        raise DeniedError(
            f"you cannot grant what you do not hold: {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}",
            code="grant_exceeds_grantor",
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
