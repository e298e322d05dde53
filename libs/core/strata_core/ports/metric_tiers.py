"""How points are kept in less and less detail, and let go."""

from collections.abc import Collection, Mapping
from typing import Protocol

from strata_core.ports.metric_store import MetricStore
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import Gap, RolledUp, Tier


class MetricTiers(Protocol):
    """A window of a tier that was rolled up holds, for each series with a point in it: count, sum, min, max, the first
    and the last value with their times, how much a counter rose within it (a fall is a restart from zero), and a
    histogram that gives percentiles of numbers within one hundredth of their value. Of strings: count, first and last.

    Every method raises StoreUnavailableError when the store is down, slow past its time-out or lying.
    """

    def roll_up(
        self, tier: Tier, from_ns: int, to_ns: int, organization_ids: Collection[OrganizationId] | None = None
    ) -> RolledUp:
        """The tier's windows in [from_ns, to_ns), which are whole ones, say what the tier above says when this returns:
        windows of which nothing is there above are gone. Of these organizations, or of all. Idempotent; after an error
        some windows may be done."""
        ...

    def gaps(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> tuple[Gap, ...]:
        """Where counts of the tier's windows are not those of the tier above, by hours, in order of time. The range is
        one that the tier above still keeps."""
        ...

    def keep(self, kept_ns: Mapping[Tier, int]) -> None:
        """What is older than this may go, whoever sent it: at once, or when the store comes to it, with the space it
        took. Idempotent. A longer time than before saves what has not gone yet."""
        ...

    def expire(self, organization_id: OrganizationId, tier: Tier, before_ns: int) -> None:
        """Nothing of the organization before this time is left in the tier when this returns. Idempotent."""
        ...

    def count_windows(self, organization_id: OrganizationId, tier: Tier) -> int:
        """How many (series, window) pairs a tier that was rolled up holds."""
        ...


class TieredMetrics(MetricStore, MetricTiers, Protocol):
    """What is kept of points, and of what was made from them."""
