"""What queries know of the tiers, without asking for each of them."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

from strata_core.ports.clock import Clock
from strata_core.rollups.queries import TierState
from strata_datamodel.ids import OrganizationId

FRESH_S: Final = 2.0
"""How long a late point, or a retention, may stay unknown to queries. An older watermark is a safe one."""
_KNOWN: Final = 10_000


class TierStates:
    def __init__(self, look: Callable[[OrganizationId, int], TierState], clock: Clock) -> None:
        """`look` reads an organization's state as of an instant."""
        self._look = look
        self._clock = clock
        self._lock = Lock()
        self._states: OrderedDict[OrganizationId, tuple[float, TierState]] = OrderedDict()

    def of(self, organization_id: OrganizationId, now_ns: int) -> TierState:
        """Raises StoreUnavailableError."""
        asked_s = self._clock.monotonic_s()
        with self._lock:
            known = self._states.get(organization_id)
        if known is not None and asked_s - known[0] < FRESH_S:
            return known[1]
        state = self._look(organization_id, now_ns)
        with self._lock:
            self._states[organization_id] = (asked_s, state)
            self._states.move_to_end(organization_id)
            while len(self._states) > _KNOWN:
                self._states.popitem(last=False)
        return state
