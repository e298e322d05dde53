"""Where the newest values of hosts stand ready."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from strata_datamodel.ids import OrganizationId
from strata_datamodel.latest import Values


@dataclass(frozen=True, slots=True)
class Standing:
    """`is_complete`: nothing that the metric store held when they were filled in is missing, nor what came since.
    `generation` is to be handed to `fill`; None when there is nobody to fill."""

    values: Values
    is_complete: bool
    generation: bytes | None


class LatestValues(Protocol):
    """May be lost at any moment: the metric store has them all. Of two values of one metric the one that outranks the
    other stays, in whatever order they come. What nobody writes for LATEST's time is gone."""

    def of_host(self, organization_id: OrganizationId, host: str) -> Standing:
        """Never raises; empty when nothing is there to ask."""
        ...

    def write(self, organization_id: OrganizationId, hosts: Mapping[str, Values]) -> None:
        """Raises StoreUnavailableError; then some may be written."""
        ...

    def fill(self, organization_id: OrganizationId, host: str, values: Values, generation: bytes) -> bool:
        """What the metric store holds, read after `generation` was told: with it the host is complete. False when it is
        not, since `doubt` came in between, or there is nothing to fill."""
        ...

    def doubt(self, organization_id: OrganizationId) -> None:
        """No host of it is complete until it is filled anew: somebody may have died with values in hand. Counts at
        once, or as soon as the server is back."""
        ...
