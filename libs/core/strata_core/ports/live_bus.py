"""Hints to whoever is looking right now. Nothing may depend on their arrival."""

from contextlib import AbstractContextManager
from typing import Protocol

from strata_datamodel.ids import OrganizationId


class Subscription(Protocol):
    def next(self, timeout_s: float) -> bytes | None:
        """The next message, or None when none came in time or the bus is down."""
        ...


class LiveBus(Protocol):
    """At most once, in order per publisher and topic while the connection holds. Never raises."""

    def publish(self, organization_id: OrganizationId, topic: str, message: bytes) -> None: ...

    def subscribe(self, organization_id: OrganizationId, topic: str) -> AbstractContextManager[Subscription]: ...

    def close(self) -> None: ...
