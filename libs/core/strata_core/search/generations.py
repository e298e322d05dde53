"""Which generation of an index an organization is searched in, and which it is written to."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError
from strata_datamodel.search import Place
from strata_datamodel.tables.organizations import organizations
from strata_datamodel.tables.search import search_generations

FIRST: Final = 1
"""Of organizations that nothing was ever said about."""


@dataclass(frozen=True, slots=True)
class Generations:
    kind: str
    active: int = FIRST
    building: int | None = None

    @property
    def searched(self) -> Place:
        return Place(self.kind, self.active)

    @property
    def built(self) -> Place | None:
        return None if self.building is None else Place(self.kind, self.building)

    @property
    def written(self) -> tuple[Place, ...]:
        return (self.searched,) if self.built is None else (self.searched, self.built)


def generations_of(uow: UnitOfWork, kind: str) -> Generations:
    held = search_generations
    wanted = select(held.c.active, held.c.building)
    row = uow.execute(wanted.where(held.c.organization_id == uow.organization_id, held.c.kind == kind)).one_or_none()
    return Generations(kind) if row is None else Generations(kind, row.active, row.building)


def begin_building(uow: UnitOfWork, kind: str) -> Generations:
    """A generation that never was. From the commit on, what is projected goes to both. Raises ConflictError (code
    `reindex_running`) while another is built."""
    held = search_generations
    first = {"organization_id": uow.organization_id, "kind": kind}
    uow.execute(insert(held).values(first).on_conflict_do_nothing())
    begun = uow.execute(
        update(held)
        .where(held.c.organization_id == uow.organization_id, held.c.kind == kind, held.c.building.is_(None))
        .values(building=held.c.newest + 1, newest=held.c.newest + 1, updated_at=func.app.now())
        .returning(held.c.active, held.c.building)
    ).one_or_none()
    if begun is None:
        raise ConflictError("another re-index of this organization is under way", code="reindex_running")
    return Generations(kind, begun.active, begun.building)


def end_building(uow: UnitOfWork, kind: str, generation: int) -> None:
    """Without a switch. Of another building, nothing."""
    _update(uow, kind, generation, building=None)


def switch_to(uow: UnitOfWork, kind: str, generation: int) -> bool:
    """What was built is searched from the commit on, and the other no longer written to. False when it is not being
    built."""
    return _update(uow, kind, generation, active=generation, building=None)


def generations_in_use(uow: UnitOfWork, kind: str) -> frozenset[int]:
    """By any organization. In a system unit."""
    held = search_generations
    rows = uow.execute(select(held.c.active, held.c.building).where(held.c.kind == kind).distinct()).all()
    silent = select(organizations.c.id).where(
        organizations.c.id.not_in(select(held.c.organization_id).where(held.c.kind == kind))
    )
    first = {FIRST} if uow.execute(silent.limit(1)).first() is not None else set()
    return frozenset(first | {row.active for row in rows} | {row.building for row in rows if row.building is not None})


def _update(uow: UnitOfWork, kind: str, generation: int, **values: int | None) -> bool:
    held = search_generations
    mine = and_(held.c.organization_id == uow.organization_id, held.c.kind == kind, held.c.building == generation)
    return uow.execute(update(held).where(mine).values(**values, updated_at=func.app.now())).rowcount == 1
