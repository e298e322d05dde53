"""Entities as PostgreSQL holds them now, in the form that an index takes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_

from strata_core.listing.pages import oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.checksums import bucket_sums, unix_us
from strata_core.search.projections import PROJECTIONS
from strata_datamodel.limits import SUMMED_AT_ONCE
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


def wanted_buckets(uow: UnitOfWork, kind: str, *, at_once: int = SUMMED_AT_ONCE) -> Buckets:
    """In bites, as an organization may have millions, and no statement may take long."""
    table = PROJECTIONS[kind].table
    here = table.c.organization_id == uow.organization_id
    found: dict[int, Bucket] = {}
    after: tuple[int, UUID] | None = None
    while True:
        where = here if after is None else here & (tuple_(table.c.bucket, table.c.id) > after)
        rows = uow.execute(bucket_sums(table, where, at_once)).all()
        for row in rows:
            before = found.get(row.bucket, Bucket(0, 0))
            found[row.bucket] = Bucket(before.count + row.live, before.checksum + int(row.checksum))
        if sum(row.live for row in rows) < at_once:
            return found
        after = (rows[-1].bucket, UUID(rows[-1].last))


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
