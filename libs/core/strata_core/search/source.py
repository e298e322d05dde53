"""The source of a search index, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from strata_core.search.comparing import OpenOrganization
from strata_core.search.entities import current, wanted_buckets, wanted_in
from strata_datamodel.ids import OrganizationId
from strata_datamodel.search import Buckets, Projected, Wanted


@dataclass(frozen=True, slots=True)
class CurrentEntities:
    open_organization: OpenOrganization

    def now(self, organization_id: OrganizationId) -> datetime:
        with self.open_organization(organization_id) as uow:
            return uow.now()

    def buckets(self, organization_id: OrganizationId, kind: str) -> Buckets:
        with self.open_organization(organization_id) as uow:
            return wanted_buckets(uow, kind)

    def versions(
        self, organization_id: OrganizationId, kind: str, bucket: int, *, after: UUID | None, limit: int
    ) -> Sequence[Wanted]:
        with self.open_organization(organization_id) as uow:
            return wanted_in(uow, kind, bucket, after=after, limit=limit)

    def entities(self, organization_id: OrganizationId, kind: str, known: Mapping[UUID, int]) -> Sequence[Projected]:
        with self.open_organization(organization_id) as uow:
            return current(uow, kind, known)
