"""Who asks, from where, under which request: handed to every command and query."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from strata_core.access.grants import Grant
from strata_datamodel.ids import OrganizationId


class ActorKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`label` is for people: an e-mail address, a key's name, a worker's role."""

    kind: ActorKind
    actor_id: UUID | None
    label: str


@dataclass(frozen=True, slots=True)
class Context:
    """`permissions` are held everywhere, `scoped` only for entities that carry the labels each names."""

    organization_id: OrganizationId
    actor: Actor
    permissions: frozenset[str]
    request_id: str
    remote_addr: str | None = None
    scoped: frozenset[Grant] = frozenset()
