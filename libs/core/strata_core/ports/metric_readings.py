"""Points as they were sent, for languages that reckon with points."""

from collections.abc import Sequence
from typing import Protocol

from strata_core.ports.metric_store import MetricStore
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Readings, SeriesKey
from strata_datamodel.tiers import Stretch


class MetricReadings(Protocol):
    def readings(
        self, organization_id: OrganizationId, series: Sequence[SeriesKey], stretches: Sequence[Stretch], limit: int
    ) -> Readings:
        """Points of these series alone, which are all of one type class: raw ones, or of a tier that was rolled up the
        last point of each window, at its own time. A series with no point is in the answer, with no row. Series that
        the organization does not have are no error.

        Raises LimitError (code `query_points`) for more rows than `limit`, before they are all in memory;
        DeadlineError past the query time-out; StoreUnavailableError.
        """
        ...


class AskedMetrics(MetricStore, MetricReadings, Protocol):
    """What questions of every kind are put to."""
