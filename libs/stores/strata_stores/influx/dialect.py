"""Where InfluxDB 1.x and 2.x differ: databases and retention policies or buckets, and how points are deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import TagPair
from strata_datamodel.tiers import Tier
from strata_stores.influx.keeping import Term


@dataclass(frozen=True, slots=True)
class Span:
    """Points of a tier in [from_ns, to_ns), of one organization or of all, in one measurement or in all."""

    tier: Tier
    from_ns: int
    to_ns: int
    organization_id: OrganizationId | None = None
    measurement: str | None = None
    """As InfluxDB calls it."""


class Dialect(Protocol):
    @property
    def version(self) -> str: ...

    def write_path(self, tier: Tier) -> str:
        """Where lines are posted, with its query string."""
        ...

    def prepare(self, terms: Mapping[Tier, Term]) -> None:
        """Create what is missing. What is there is left as it is: how long it is kept is for `keep` to say."""
        ...

    def keep(self, terms: Mapping[Tier, Term]) -> None:
        """Of tiers that are there."""
        ...

    def delete_series(self, organization_id: OrganizationId, tag: TagPair | None) -> None:
        """All of the organization's in every tier, or those with the tag."""
        ...

    def delete_span(self, span: Span) -> None: ...
