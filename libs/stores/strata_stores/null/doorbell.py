"""No bell: whoever rings learns that nobody was told, and the poller finds the row."""

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OutboxId


class NullDoorbell:
    def ring(self, outbox_id: OutboxId) -> bool:
        return False

    def depth(self) -> int | None:
        return None

    def health(self) -> StoreHealth:
        return StoreHealth("doorbell", is_ready=True, detail="off")

    def close(self) -> None:
        """Nothing is open."""
