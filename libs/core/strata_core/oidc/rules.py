"""Pure decisions about identity providers."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from strata_core.access.permissions import Role
from strata_datamodel.errors import DeniedError, InvalidError, Problem

GIVEN_ROLES: Final = (Role.ADMIN, Role.DEVOPS, Role.DEVELOPER, Role.READ_ONLY)
"""Highest first. A provider neither makes owners nor signs them in: whoever may change the provider's address could
otherwise become one."""


_NOT_IN_ISSUERS: Final = frozenset("?# \t\r\n")


def check_roles(role_by_group: Mapping[str, str]) -> None:
    """Raises InvalidError (code `bad_role_map`)."""
    unknown = [role for role in role_by_group.values() if role not in GIVEN_ROLES]
    if unknown:
        names = ", ".join(GIVEN_ROLES)
        raise InvalidError(
            "a group can only be given a role below owner",
            code="bad_role_map",
            problems=[Problem("/role_by_group", f"expected one of {names}")],
        )


def check_issuer(issuer: str) -> None:
    """Raises InvalidError (code `bad_issuer`)."""
    try:
        parts = urlsplit(issuer)
        is_plain = parts.port != 0 and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        is_plain = False
    if not is_plain or not issuer.startswith(("https://", "http://")) or _NOT_IN_ISSUERS & set(issuer):
        raise InvalidError(
            "the issuer is not a plain URL",
            code="bad_issuer",
            hint="such as https://login.example.com",
            problems=[Problem("/issuer", "expected https://host/path")],
        )


def role_of(
    groups: Sequence[str], role_by_group: Mapping[str, str], current: str, *, holds_more_than_admins: bool = False
) -> str:
    """The highest role that one of the groups is given; the one they have where no groups are mapped at all.
    Raises DeniedError (code `no_role`)."""
    if current == Role.OWNER or holds_more_than_admins:
        raise DeniedError(
            "owners, and who else may do more than admins, sign in with their own password or passkey",
            code="owner_signs_in_alone",
            hint="this keeps the organization open when the provider fails",
        )
    if not role_by_group:
        return current
    given = {role_by_group[group] for group in groups if group in role_by_group}
    for role in GIVEN_ROLES:
        if role in given:
            return role.value
    raise DeniedError(
        "none of your groups may use this organization", code="no_role", hint="ask whoever runs your identity provider"
    )
