"""A permission as it is held: everywhere, or only for what carries certain labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from strata_core.access.permissions import PERMISSIONS

Scope = tuple[tuple[str, str], ...]
"""Labels as pairs in order of their keys. The empty one is everywhere."""

SCOPABLE: Final = frozenset({"alert_rules", "alerts", "dashboards", "hosts", "services"})
"""Resources whose entities carry labels or tags. On any other a scope could not be honoured, so it is refused."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    permission: str
    scope: Scope = ()

    def __str__(self) -> str:
        return self.permission if not self.scope else f"{self.permission} where {scope_text(self.scope)}"

    def reaches(self, labels: Mapping[str, str]) -> bool:
        """Whether an entity with these labels is in the scope: it has every label of it, with the same value."""
        return all(labels.get(key) == value for key, value in self.scope)

    def covers(self, other: "Grant") -> bool:
        """Whether who holds this may do all that who holds `other` may: fewer labels reach more."""
        return self.permission == other.permission and set(self.scope) <= set(other.scope)


def scope_of(labels: Mapping[str, str]) -> Scope:
    return tuple(sorted(labels.items()))


def scope_text(scope: Scope) -> str:
    return ", ".join(f"{key}={value}" for key, value in scope)


def unscoped(permissions: Iterable[str]) -> frozenset[Grant]:
    return frozenset(Grant(permission) for permission in permissions)


def everywhere(grants: Iterable[Grant]) -> frozenset[str]:
    """The permissions held without a scope."""
    return frozenset(grant.permission for grant in grants if not grant.scope)


def somewhere(grants: Iterable[Grant]) -> frozenset[Grant]:
    """The grants that have a scope."""
    return frozenset(grant for grant in grants if grant.scope)


def narrowed(grants: Iterable[Grant], permissions: frozenset[str]) -> frozenset[Grant]:
    """What is left of the grants for a key with these permissions: never more than either."""
    return frozenset(grant for grant in grants if grant.permission in permissions)


def uncovered(wanted: Iterable[Grant], held: Iterable[Grant]) -> list[Grant]:
    """What of `wanted` nothing in `held` covers, in order."""
    at_hand = list(held)
    return sorted(grant for grant in set(wanted) if not any(each.covers(grant) for each in at_hand))


def is_known(grant: Grant) -> bool:
    """A permission that is gone, or a scope that nothing would honour, grants nothing."""
    resource = grant.permission.partition(":")[0]
    return grant.permission in PERMISSIONS and (not grant.scope or resource in SCOPABLE)
