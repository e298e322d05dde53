"""Where InfluxDB 1.x and 2.x differ: databases and retention policies or buckets, and how points are deleted."""

from datetime import timedelta
from typing import Protocol

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import TagPair


class Dialect(Protocol):
    @property
    def version(self) -> str: ...

    @property
    def write_path(self) -> str:
        """Where lines are posted, with its query string."""
        ...

    def prepare(self, retention: timedelta | None) -> None:
        """Create what is missing. A retention that is there already is lengthened if need be, never shortened: that
        would delete points at once, and is for an operator to do."""
        ...

    def delete_series(self, organization_id: OrganizationId, tag: TagPair | None) -> None:
        """All of the organization's, or those with the tag."""
        ...
