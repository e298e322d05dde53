"""What a metric store holds of one organization, taken out piece by piece and put into another store."""

from collections.abc import Mapping
from typing import Protocol

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import PointBatch
from strata_datamodel.slices import WindowSlice
from strata_datamodel.tiers import Tier


class MetricSlices(Protocol):
    """Every method raises StoreUnavailableError when the store is down, slow past its time-out or lying."""

    def hours_held(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> Mapping[int, int]:
        """How many points, or windows, begin in each hour of the range, by the hour's beginning; hours without any are
        left out. The range is of whole hours."""
        ...

    def point_slice(self, organization_id: OrganizationId, from_ns: int, to_ns: int, limit: int) -> PointBatch:
        """All raw points in the range, in any order. Raises LimitError (code `slice_too_large`) for more than `limit`,
        before they are all in memory. They are put into another store by its `write`."""
        ...

    def window_slice(
        self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int, limit: int
    ) -> WindowSlice:
        """All windows of a tier that was rolled up which begin in the range. As `point_slice`."""
        ...

    def write_windows(self, windows: WindowSlice) -> None:
        """In the place of those of the same series and time; others stand. Durable when this returns. Idempotent."""
        ...
