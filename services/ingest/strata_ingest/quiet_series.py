"""Series whose hosts and services were looked for a moment ago: what every batch says need not be read in every one."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from strata_core.ports.clock import Clock
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import SeriesKey

QUIET_S: Final = 10.0
"""How much later than due a host may be told to have been seen again."""
_LIMIT: Final = 2_000_000


@dataclass(slots=True)
class _Quiet:
    until_s: float
    by_id: dict[int, SeriesKey] = field(default_factory=dict)
    """The objects by their identities, each held so that no other can come to have it."""


class QuietSeries:
    """Not thread-safe. Bounded: when there are too many, those of whole organizations are read again."""

    def __init__(self, clock: Clock, limit: int = _LIMIT) -> None:
        self._clock = clock
        self._limit = limit
        self._quiet: OrderedDict[OrganizationId, _Quiet] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return self._held

    def others(self, organization_id: OrganizationId, series: Sequence[SeriesKey]) -> Sequence[SeriesKey]:
        """Those that have to be read."""
        quiet = self._quiet.get(organization_id)
        if quiet is None:
            return series
        if self._clock.monotonic_s() >= quiet.until_s:
            self.forget(organization_id)
            return series
        by_id = quiet.by_id
        if all(map(by_id.__contains__, map(id, series))):  # without a step of Python's for each
            return ()
        return [key for key in series if id(key) not in by_id]

    def add(self, organization_id: OrganizationId, series: Sequence[SeriesKey]) -> None:
        """They were read, and nothing that they say waits to be told."""
        quiet = self._quiet.get(organization_id)
        if quiet is None:
            quiet = self._quiet[organization_id] = _Quiet(self._clock.monotonic_s() + QUIET_S)
        before = len(quiet.by_id)
        quiet.by_id.update(zip(map(id, series), series, strict=True))
        self._held += len(quiet.by_id) - before
        while self._held > self._limit:
            self.forget(next(iter(self._quiet)))

    def forget(self, organization_id: OrganizationId) -> None:
        quiet = self._quiet.pop(organization_id, None)
        if quiet is not None:
            self._held -= len(quiet.by_id)
