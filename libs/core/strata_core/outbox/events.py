"""The envelope every event travels in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from strata_datamodel.ids import OrganizationId, OutboxId


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` names what happened, as `alert.fired`; `schema_version` is that of the payload: it rises when a reader of
    the old form could misread the new one. The payload holds JSON values only."""

    kind: str
    schema_version: int
    entity_kind: str
    entity_id: UUID
    payload: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """An event in a worker's hands until `lease_until`. `epoch` fences: whoever claims after has a higher one.
    `abandoned` is how many of the attempts before ended with a worker that never came back."""

    outbox_id: OutboxId
    organization_id: OrganizationId
    event: Event
    epoch: int
    attempts: int
    abandoned: int
    created_at: datetime
    lease_until: datetime
