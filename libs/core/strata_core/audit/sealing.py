"""Puts audit rows on their organization's chain, off the request path: the sealer's use cases."""

from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from strata_core.audit.chain import CHAINED, genesis, link
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import AUDIT_ROWS_PER_SEAL
from strata_datamodel.tables.audit import audit_heads, audit_log, audit_seals, audit_unsealed

NOBODY: Final = OrganizationId(UUID(int=0))


def next_unsealed_organization(uow: UnitOfWork, after: OrganizationId = NOBODY) -> OrganizationId | None:
    """In a system-wide unit: the next organization, in the order of ids, that has rows to be sealed."""
    wanted = select(audit_unsealed.c.organization_id).where(audit_unsealed.c.organization_id > after)
    found = uow.execute(wanted.order_by(audit_unsealed.c.organization_id).limit(1)).scalar_one_or_none()
    return None if found is None else OrganizationId(found)


def seal(uow: UnitOfWork, *, limit: int = AUDIT_ROWS_PER_SEAL) -> int:
    """Links the oldest unsealed rows of the unit's organization to its chain; how many. The head is locked, so that a
    chain never forks; where another sealer holds it, there is nothing to do."""
    organization_id = uow.organization_id
    uow.execute(
        upsert(audit_heads)
        .values(organization_id=organization_id, seq=0, hash=genesis(organization_id))
        .on_conflict_do_nothing()
    )
    here = audit_heads.c.organization_id == organization_id
    head = uow.execute(
        select(audit_heads.c.seq, audit_heads.c.hash).where(here).with_for_update(skip_locked=True)
    ).one_or_none()
    if head is None:
        return 0
    rows = _unsealed(uow, organization_id, limit)
    if not rows:
        return 0
    seq, digest, seals = head.seq, bytes(head.hash), []
    for row in rows:
        seq += 1
        digest = link(digest, organization_id, seq, row)
        seals.append({"organization_id": organization_id, "seq": seq, "audit_id": row["id"], "hash": digest})
    uow.execute(insert(audit_seals), seals)
    uow.execute(
        delete(audit_unsealed).where(
            audit_unsealed.c.organization_id == organization_id,
            tuple_(audit_unsealed.c.at, audit_unsealed.c.audit_id).in_([(row["queued"], row["id"]) for row in rows]),
        )
    )
    uow.execute(update(audit_heads).where(here).values(seq=seq, hash=digest, sealed_at=uow.now()))
    return len(rows)


def _unsealed(uow: UnitOfWork, organization_id: OrganizationId, limit: int) -> list[dict[str, object]]:
    """A row that waits but is gone from the log stays in the queue, where `verify` finds it; so does one that waits a
    second time, which cannot be sealed twice."""
    seen = select(audit_seals.c.seq).where(
        audit_seals.c.organization_id == organization_id, audit_seals.c.audit_id == audit_unsealed.c.audit_id
    )
    wanted = (
        select(*(audit_log.c[name] for name in CHAINED), audit_unsealed.c.at.label("queued"))
        .join(
            audit_log,
            (audit_log.c.organization_id == audit_unsealed.c.organization_id)
            & (audit_log.c.id == audit_unsealed.c.audit_id),
        )
        .where(audit_unsealed.c.organization_id == organization_id, ~seen.exists())
        .order_by(audit_unsealed.c.at, audit_unsealed.c.audit_id)
        .limit(limit)
    )
    return [dict(row) for row in uow.execute(wanted).mappings()]
