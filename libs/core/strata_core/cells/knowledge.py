"""What a process knows of placements, without asking for each write and question."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

from strata_core.cells.rules import LEASE_S, Placement
from strata_core.ports.clock import Clock
from strata_datamodel.ids import OrganizationId

FRESH_S: Final = 5.0
_KNOWN: Final = 10_000


class Placements:
    def __init__(self, look: Callable[[OrganizationId], Placement], clock: Clock) -> None:
        """`look` reads an organization's placement, and raises StoreUnavailableError."""
        self._look = look
        self._clock = clock
        self._lock = Lock()
        self._known: OrderedDict[OrganizationId, tuple[float, Placement]] = OrderedDict()

    def of(self, organization_id: OrganizationId) -> Placement:
        """Read FRESH_S ago at most. Raises StoreUnavailableError."""
        known = self._known_of(organization_id, FRESH_S)
        return self._read(organization_id) if known is None else known

    def is_still(self, organization_id: OrganizationId, placement: Placement) -> bool:
        """Whether what was just done under it was done where others look for it. Raises StoreUnavailableError."""
        known = self._known_of(organization_id, LEASE_S)
        return (self._read(organization_id) if known is None else known) == placement

    def _known_of(self, organization_id: OrganizationId, at_most_s: float) -> Placement | None:
        with self._lock:
            known = self._known.get(organization_id)
        return None if known is None or self._clock.monotonic_s() - known[0] >= at_most_s else known[1]

    def _read(self, organization_id: OrganizationId) -> Placement:
        """Dated from before it was read: it held then, and maybe no longer when the answer is here."""
        asked_s = self._clock.monotonic_s()
        placement = self._look(organization_id)
        with self._lock:
            before = self._known.get(organization_id)
            if before is None or before[0] <= asked_s:
                self._known[organization_id] = (asked_s, placement)
                self._known.move_to_end(organization_id)
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return placement
