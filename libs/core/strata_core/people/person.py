"""Somebody who acts in their own name, before or apart from any organization."""

from dataclasses import dataclass

from strata_core.context import Actor, ActorKind, Context
from strata_datamodel.ids import OrganizationId, UserId


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts upon themselves, in their own unit."""

    user_id: UserId
    request_id: str
    remote_addr: str | None = None

    def context(self, organization_id: OrganizationId, label: str) -> Context:
        """With no permission: it is for saying who did it."""
        actor = Actor(ActorKind.USER, self.user_id, label)
        return Context(organization_id, actor, frozenset(), self.request_id, self.remote_addr)
