"""Wakes a worker for a row that stands in PostgreSQL."""

from typing import Protocol

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OutboxId


class Doorbell(Protocol):
    """A ring lost, doubled or forged is harmless: handlers claim the row, a poller finds what was not rung."""

    def ring(self, outbox_id: OutboxId) -> bool:
        """True when handed over. Never raises; False when the bell is down, which is counted."""
        ...

    def depth(self) -> int | None:
        """Rings waiting, None when unknown."""
        ...

    def health(self) -> StoreHealth: ...

    def close(self) -> None: ...
