"""A part of what a metric store holds of an organization, on its way into another store."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import SeriesKey
from strata_datamodel.tiers import Tier


@dataclass(frozen=True, slots=True)
class WindowSlice:
    """Windows of a tier that was rolled up, as columns. Row i is a window of series[series_index[i]].

    First and last values stand as in a PointBatch. What only windows of numbers have is 0 for all others. `buckets` are
    those of `strata_core.metrics.histograms`: row bucket_rows[j] has bucket_counts[j] values in buckets[j].
    """

    organization_id: OrganizationId
    tier: Tier
    series: tuple[SeriesKey, ...]
    series_index: NDArray[np.int32]
    start_ns: NDArray[np.int64]
    counts: NDArray[np.int64]
    firsts: NDArray[np.float64]
    first_ns: NDArray[np.int64]
    lasts: NDArray[np.float64]
    last_ns: NDArray[np.int64]
    sums: NDArray[np.float64]
    minima: NDArray[np.float64]
    maxima: NDArray[np.float64]
    rises: NDArray[np.float64]
    bucket_rows: NDArray[np.int64]
    buckets: NDArray[np.int64]
    bucket_counts: NDArray[np.int64]
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.start_ns)
