"""Pure decisions about members, each with its reason."""

from strata_core.access.permissions import ASSIGNED_ONLY, Role, role_permissions
from strata_core.access.rules import require_grantable
from strata_core.context import Context
from strata_datamodel.errors import ConflictError, InvalidError, Problem


def check_role(role: str) -> str:
    """Raises InvalidError (code `bad_role`)."""
    if role not in {*Role, ASSIGNED_ONLY}:
        raise InvalidError(
            "there is no such role",
            code="bad_role",
            problems=[Problem("/role", f"one of {', '.join(Role)}, {ASSIGNED_ONLY}")],
        )
    return role


def require_rank(ctx: Context, role: str) -> None:
    """Nobody gives a role that may do more than they themselves. Raises DeniedError."""
    require_grantable(ctx, role_permissions(role))


def keep_an_owner(role: str, owners: int) -> None:
    """Of one who holds `role` and is about to lose it. Raises ConflictError (code `last_owner`)."""
    if role == Role.OWNER and owners <= 1:
        raise ConflictError(
            "this is the organization's last owner, and without one nobody could manage it any more",
            code="last_owner",
            hint="make somebody else an owner first, or transfer the ownership",
        )
