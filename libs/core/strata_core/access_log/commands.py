"""Writing reads down, and forgetting them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, tuple_

from strata_core.access_log.rules import retention_days
from strata_core.ports.secret_box import SecretBox, SecretPlace
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId, uuid7
from strata_datamodel.tables.audit import user_access_logs
from strata_datamodel.tables.organizations import organizations

ADDRESS_INDEX: Final = "user_access_logs.address"
PRUNED_PER_PASS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Read:
    """Somebody was let through to `operation`. What they asked for in detail is not kept."""

    organization_id: OrganizationId
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_label: str
    operation: str
    purpose: str
    request_id: str
    address: str | None


@dataclass(slots=True)
class Repeated:
    """A read, and how often it was repeated until `last_at` by the same reader from the same address."""

    first: Read
    last_at: datetime
    times: int = 1


def address_place(organization_id: OrganizationId, row_id: UUID) -> SecretPlace:
    return SecretPlace(organization_id, "user_access_logs", "address_sealed", row_id)


def address_index(box: SecretBox, organization_id: OrganizationId, address: str) -> bytes:
    return box.blind_index(organization_id, ADDRESS_INDEX, address.encode("utf-8"))


def rows_of(box: SecretBox, reads: Sequence[Repeated]) -> list[dict[str, object]]:
    """Before the transaction: sealing may have to fetch a key in one of its own."""
    firsts = [each.first for each in reads]
    places = {(read.organization_id, read.address) for read in firsts if read.address is not None}
    # Once an address and not a read: callers that ask much ask from one.
    indexes = {place: address_index(box, *place) for place in places}
    return [
        {**_row(box, each.first, indexes), "times": each.times, "last_at": each.last_at if each.times > 1 else None}
        for each in reads
    ]


def write_reads(uow: UnitOfWork, rows: Sequence[dict[str, object]]) -> None:
    """All of one organization, the unit's."""
    if rows:
        uow.execute(insert(user_access_logs), list(rows))


def prune_reads(uow: UnitOfWork, organization_id: OrganizationId, settings: dict[str, object]) -> int:
    """At most so many a pass; how many went."""
    here = user_access_logs.c.organization_id == organization_id
    oldest_kept = uow.now() - timedelta(days=retention_days(settings))
    old = (
        select(user_access_logs.c.organization_id, user_access_logs.c.id)
        .where(here, user_access_logs.c.at < oldest_kept)
        .limit(PRUNED_PER_PASS)
    )
    key = tuple_(user_access_logs.c.organization_id, user_access_logs.c.id)
    return uow.execute(delete(user_access_logs).where(here, key.in_(old))).rowcount


def organizations_to_prune(uow: UnitOfWork, after: UUID, limit: int) -> list[tuple[OrganizationId, dict[str, object]]]:
    """In a system-wide unit: every organization with its settings, page by page."""
    wanted = select(organizations.c.id, organizations.c.settings).where(organizations.c.id > after)
    rows = uow.execute(wanted.order_by(organizations.c.id).limit(limit))
    return [(OrganizationId(row.id), dict(row.settings)) for row in rows]


def _row(box: SecretBox, read: Read, indexes: Mapping[tuple[OrganizationId, str], bytes]) -> dict[str, object]:
    row_id = uuid7(int(read.at.timestamp() * 1000))
    sealed = index = None
    if read.address is not None:
        sealed = box.seal(address_place(read.organization_id, row_id), read.address.encode("utf-8"))
        index = indexes[read.organization_id, read.address]
    return {
        "organization_id": read.organization_id,
        "id": row_id,
        "at": read.at,
        "actor_kind": read.actor_kind,
        "actor_id": read.actor_id,
        "actor_label": read.actor_label,
        "operation": read.operation,
        "purpose": read.purpose,
        "request_id": read.request_id,
        "address_sealed": sealed,
        "address_index": index,
    }
