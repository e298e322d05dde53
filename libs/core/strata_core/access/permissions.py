"""Everything that can be allowed, and the bundles it is handed out in. A permission is `resource:action`."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from strata_datamodel.errors import InvalidError, Problem


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    DEVOPS = "devops"
    DEVELOPER = "developer"
    READ_ONLY = "read_only"


ASSIGNED_ONLY: Final = "custom"
"""Stands as the role of a membership that holds nothing but what is assigned."""


class Scope(StrEnum):
    """Named bundles for keys. A key may also carry single permissions as scopes."""

    ADMIN = "admin"
    INGEST = "ingest"
    READ = "read"


INGEST: Final = "ingest:write"

_READ_WRITE: Final = (
    "alert_rules",
    "alerts",
    "api_keys",
    "dashboards",
    "dead_letters",
    "downtime",
    "erasures",
    "hosts",
    "members",
    "organization",
    "roles",
    "sagas",
    "service_accounts",
    "services",
    "silences",
    "teams",
    "webhooks",
)
_READS: Final = frozenset(f"{resource}:read" for resource in (*_READ_WRITE, "audit_log", "logs", "metrics"))
_WRITES: Final = frozenset(f"{resource}:write" for resource in _READ_WRITE)

PERMISSIONS: Final[frozenset[str]] = _READS | _WRITES | {INGEST, "organization:delete", "downtime:resolve"}

_ACCESS_READS: Final = frozenset({"api_keys:read", "audit_log:read", "erasures:read", "service_accounts:read"})
_OPERATED: Final = (
    "alert_rules",
    "alerts",
    "dashboards",
    "dead_letters",
    "hosts",
    "sagas",
    "services",
    "silences",
    "webhooks",
)

ROLE_PERMISSIONS: Final[Mapping[Role, frozenset[str]]] = {
    Role.OWNER: PERMISSIONS,
    Role.ADMIN: PERMISSIONS - {"organization:delete"},
    Role.DEVOPS: (_READS - {"audit_log:read", "erasures:read"})
    | {f"{resource}:write" for resource in _OPERATED}
    | {INGEST},
    Role.DEVELOPER: (_READS - _ACCESS_READS) | {"alerts:write", "dashboards:write", "silences:write"},
    Role.READ_ONLY: _READS - _ACCESS_READS,
}

SCOPE_PERMISSIONS: Final[Mapping[Scope, frozenset[str]]] = {
    Scope.ADMIN: PERMISSIONS,
    Scope.INGEST: frozenset({INGEST}),
    Scope.READ: _READS,
}


def role_permissions(role: str) -> frozenset[str]:
    """Of what a membership names."""
    return frozenset() if role == ASSIGNED_ONLY else ROLE_PERMISSIONS[Role(role)]


def scope_permissions(scopes: Iterable[str]) -> frozenset[str]:
    """What a key with these scopes may do. A scope that is not known any more grants nothing."""
    granted: set[str] = set()
    for scope in scopes:
        if scope in PERMISSIONS:
            granted.add(scope)
        elif scope in SCOPE_PERMISSIONS:
            granted |= SCOPE_PERMISSIONS[Scope(scope)]
    return frozenset(granted)


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes, each once and in order; raises InvalidError (code `bad_scope`) naming what is not one."""
    wanted = tuple(dict.fromkeys(scopes))
    unknown = [scope for scope in wanted if scope not in PERMISSIONS and scope not in SCOPE_PERMISSIONS]
    if unknown or not wanted:
        names = ", ".join(Scope)
        raise InvalidError(
            "a key needs at least one scope" if not wanted else "a scope is not known",
            code="bad_scope",
            hint=f"use {names}, or a permission such as hosts:read",
            problems=[Problem("/scopes", f"unknown scope {scope[:80]!r}") for scope in unknown],
        )
    return wanted
