"""Who asks, for tests of commands and queries."""

from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_datamodel.ids import OrganizationId, uuid7

_ACTOR = Actor(ActorKind.USER, uuid7(1_800_000_000_000), "ada@example.test")


def context(
    organization_id: OrganizationId, *, permissions: frozenset[str] = PERMISSIONS, actor: Actor = _ACTOR
) -> Context:
    return Context(organization_id, actor, permissions, request_id="test-request", remote_addr="192.0.2.7")
