"""Taking, keeping and giving back a lease. All in a system unit."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import case, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.working import leases


@dataclass(frozen=True, slots=True)
class Lease:
    """`epoch` fences: whoever takes the lease after another holder has a higher one."""

    name: str
    holder: str
    epoch: int


def take_lease(uow: UnitOfWork, name: str, holder: str, *, duration: timedelta) -> Lease | None:
    """Its holder gets it again, anybody when it ran out; else None. Time is the database's, so that a worker whose
    clock is wrong can neither steal nor keep."""
    now = uow.now()
    taken = (
        insert(leases)
        .values(name=name, holder=holder, epoch=1, lease_until=now + duration)
        .on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={
                "holder": holder,
                "epoch": case((leases.c.holder == holder, leases.c.epoch), else_=leases.c.epoch + 1),
                "lease_until": now + duration,
            },
            where=or_(leases.c.holder == holder, leases.c.lease_until <= now),
        )
        .returning(leases.c.epoch)
    )
    epoch = uow.execute(taken).scalar_one_or_none()
    return None if epoch is None else Lease(name, holder, epoch)


def is_held(uow: UnitOfWork, lease: Lease) -> bool:
    """Nobody can take it until this transaction ends, so what the transaction writes is written by the holder. One that
    ran out is good while nobody took it."""
    mine = (
        select(leases.c.epoch)
        .where(leases.c.name == lease.name, leases.c.holder == lease.holder, leases.c.epoch == lease.epoch)
        .with_for_update(read=True)
    )
    return uow.execute(mine).scalar_one_or_none() is not None


def give_back(uow: UnitOfWork, lease: Lease) -> None:
    """The next who asks gets it. Of a lease that was lost meanwhile, nothing."""
    uow.execute(
        update(leases)
        .where(leases.c.name == lease.name, leases.c.holder == lease.holder, leases.c.epoch == lease.epoch)
        .values(lease_until=uow.now())
    )
