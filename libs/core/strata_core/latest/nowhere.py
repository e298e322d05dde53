"""Newest values where nothing stands ready: each question goes to the metric store."""

from collections.abc import Mapping

from strata_core.ports.latest_values import Standing
from strata_datamodel.ids import OrganizationId
from strata_datamodel.latest import Values


class Nowhere:
    def of_host(self, organization_id: OrganizationId, host: str) -> Standing:
        return Standing({}, is_complete=False, generation=None)

    def write(self, organization_id: OrganizationId, hosts: Mapping[str, Values]) -> None:
        """Nothing is kept."""

    def fill(self, organization_id: OrganizationId, host: str, values: Values, generation: bytes) -> bool:
        return False

    def doubt(self, organization_id: OrganizationId) -> None:
        """Nothing was believed."""
