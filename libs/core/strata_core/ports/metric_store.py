"""Where points live."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import MetricAnswer, MetricQuery, PointBatch, TagPair, WriteOutcome


class MetricStore(Protocol):
    """Every method raises StoreUnavailableError when the store is down, slow past its time-out or lying."""

    def prepare(self) -> None:
        """Create what the store needs (database, tiers). Idempotent."""
        ...

    def write(self, batch: PointBatch) -> WriteOutcome:
        """Durable and queryable when this returns. Idempotent: same series and time, the last write wins, and writing a
        batch again leaves the same points. Points the store refuses for good are in the outcome, all others are stored.
        A store that keeps sequences answers a batch of one it holds without writing it, with the same refusals.
        Every store refuses numbers that are not finite, empty names, and names or tag values with line breaks.
        """
        ...

    def query(self, query: MetricQuery) -> MetricAnswer:
        """Answers from points of `query.organization_id` alone. Series in the order of their tag values.

        Raises LimitError (codes `query_series`, `query_points`) beyond those limits; DeadlineError past the query
        time-out; InvalidError (code `bad_regex`) for a pattern that is none. An unknown measurement or field is an
        empty answer. rate is the per-second increase of a counter, a fall counted as a restart from zero, per series
        and then added up: an increase belongs to the window of its later reading, and is divided by the time since the
        earlier one, which has to lie in the range too; increase is the same undivided. Percentiles are nearest rank:
        the value at position floor(n * p / 100 + 0.5), at least 1, of the n sorted values. Of several series' points at
        the very first or last time the greatest value is first and last. Strings and booleans serve count, first, last,
        distinct and mode only (a boolean as 0 or 1); any other aggregate of them raises InvalidError (code
        `aggregate_needs_numbers`). When one name holds several type classes, numbers answer if there are any in the
        store for that measurement and organization, then booleans, then strings.

        A value filter that does not suit what the field holds raises InvalidError (code `bad_value_filter`), a pattern
        that is none as above.

        A step is a whole number of windows of each tier in `stretches`. Over stretches that were rolled up the answer
        is that over their raw points, and a percentile within one hundredth of its value; what a tier cannot tell
        raises InvalidError (code `aggregate_not_kept`): distinct, mode and filters of values.
        """
        ...

    def count_points(self, organization_id: OrganizationId) -> int:
        """How many (series, time) pairs are held."""
        ...

    def delete_organization(self, organization_id: OrganizationId) -> None:
        """No point of it can be read when this returns. Idempotent."""
        ...

    def count_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> int:
        """How many points and windows are held of series that have one of these tags, at least. A value is compared as
        it is: none of these is a pattern. Nothing matches no tags."""
        ...

    def delete_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> None:
        """`count_matching` is 0 when this returns, if nobody writes meanwhile; all other points stand. Idempotent."""
        ...

    def committed_sequence(self, spool_id: UUID) -> int | None:
        """The newest spool sequence whose points are in, for stores that keep it in the transaction of the points;
        None when this store does not and relies on idempotent writes."""
        ...

    def health(self) -> StoreHealth:
        """Never raises."""
        ...

    def close(self) -> None: ...
