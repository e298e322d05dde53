"""Where log events live."""

from collections.abc import Sequence
from typing import Protocol

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogBatch, LogFilter, LogPage, LogSearch, LogWriteOutcome


class LogStore(Protocol):
    """Every method raises StoreUnavailableError when the store is down, slow past its time-out or lying."""

    def prepare(self) -> None:
        """Create what the store needs (templates, directories). Idempotent."""
        ...

    def write(self, batch: LogBatch) -> LogWriteOutcome:
        """Durable when this returns, searchable within two seconds (or after `refresh`). Idempotent by (organization,
        day, event_id): writing a batch again, or one that did not return, leaves each event once. Refused events are in
        the outcome, all others are stored."""
        ...

    def refresh(self) -> None:
        """Everything written before is searchable when this returns."""
        ...

    def search(self, search: LogSearch) -> LogPage:
        """Events of `search.organization_id` with from_ns <= timestamp < to_ns that pass the filter, ordered by
        (timestamp, event_id), a page at a time; a page ends early at LOG_PAGE_BYTES, and `next_cursor` alone says
        whether there is more. Text is case-insensitive whole words: maximal runs of letters and digits. The total is
        that of the whole search, whatever the page. Raises DeadlineError past the query time-out."""
        ...

    def count(self, organization_id: OrganizationId) -> int:
        """How many searchable events are held."""
        ...

    def days(self) -> Sequence[str]:
        """The index days that exist, ascending."""
        ...

    def drop_day(self, day: str) -> None:
        """Delete a whole day and give its space back. Idempotent."""
        ...

    def delete_organization(self, organization_id: OrganizationId) -> None:
        """No event of it can be found when this returns. Idempotent."""
        ...

    def count_matching(self, organization_id: OrganizationId, where: LogFilter) -> int:
        """How many searchable events pass the filter, at whatever time."""
        ...

    def delete_matching(self, organization_id: OrganizationId, where: LogFilter) -> None:
        """No event that passes the filter can be found when this returns, if nobody writes meanwhile; all others
        stand. Idempotent."""
        ...

    def health(self) -> StoreHealth:
        """Never raises."""
        ...

    def close(self) -> None: ...
