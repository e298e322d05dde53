"""Entities as PostgreSQL holds them now, in the form that an index takes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from strata_core.listing.pages import oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.checksums import bucket_sums, unix_us
from strata_core.search.projections import PROJECTIONS
from strata_datamodel.search import Bucket, Buckets, Projected, Wanted


def current(uow: UnitOfWork, kind: str, known: Mapping[UUID, int]) -> list[Projected]:
    """Each in its newest version. Those that are gone as deletions, of a version later than the one known of them."""
    projection = PROJECTIONS[kind]
    table, organization_id = projection.table, uow.organization_id
    wanted = select(table).where(table.c.organization_id == organization_id, table.c.id.in_(list(known)))
    found = {
        row["id"]: Projected(
            organization_id, row["id"], row["version"], unix_us(row["updated_at"]), projection.document_of(row)
        )
        for row in map(dict, uow.execute(wanted).mappings())
    }
    return [
        found.get(entity_id) or Projected(organization_id, entity_id, version + 1, 0, None)
        for entity_id, version in known.items()
    ]


def wanted_buckets(uow: UnitOfWork, kind: str) -> Buckets:
    table = PROJECTIONS[kind].table
    rows = uow.execute(bucket_sums(table).where(table.c.organization_id == uow.organization_id))
    return {row.bucket: Bucket(row.live, int(row.checksum)) for row in rows}


def changed_after(uow: UnitOfWork, kind: str, instant: datetime) -> bool:
    """Whether a row was written since, by the clock of its transaction. A row that is gone is not noticed."""
    table = PROJECTIONS[kind].table
    newer = select(table.c.id).where(table.c.organization_id == uow.organization_id, table.c.updated_at > instant)
    return uow.execute(newer.limit(1)).first() is not None


def wanted_in(uow: UnitOfWork, kind: str, bucket: int, *, after: UUID | None, limit: int) -> Sequence[Wanted]:
    """Of one bucket, ascending by id."""
    table = PROJECTIONS[kind].table
    rows = select(table.c.id, table.c.version, table.c.updated_at)
    rows = rows.where(table.c.organization_id == uow.organization_id, table.c.bucket == bucket)
    found = uow.execute(oldest_first(rows, table.c.id, after=after, limit=limit))
    return [Wanted(row.id, row.version, unix_us(row.updated_at)) for row in found]
