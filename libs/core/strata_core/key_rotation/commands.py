"""Rotating an organization's data key: the edge runs passes until one finds nothing, then retires the old key."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Integer, cast, func, select, tuple_, update
from sqlalchemy.sql import ColumnElement

from strata_core.key_rotation.places import SealedColumn
from strata_core.ports.data_keys import INDEX_KEY_VERSION, DataKeys
from strata_core.ports.key_rotation import RotatingSecretBox
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import RESEALED_PER_PASS
from strata_datamodel.tables.secrets import data_keys

Unit = Callable[[], AbstractContextManager[UnitOfWork]]
Progress = Callable[[int], None]
Key = tuple[object, ...]


def owners_of_keys(uow: UnitOfWork, after: UUID, limit: int) -> list[OrganizationId]:
    """In a system-wide unit: every organization that has data keys, page by page; PEOPLE among them."""
    owner = data_keys.c.organization_id
    wanted = select(owner).where(owner > after).group_by(owner).order_by(owner).limit(limit)
    return [OrganizationId(found) for found in uow.execute(wanted).scalars()]


@dataclass(frozen=True, slots=True)
class Rotation:
    """Everything is to be sealed with the data key `version`."""

    organization_id: OrganizationId
    version: int
    is_resumed: bool


def begin_rotation(keys: DataKeys, box: RotatingSecretBox, organization_id: OrganizationId) -> Rotation:
    """Takes up a rotation that was broken off: until the old key is retired, two data keys stand."""
    versions = [key.version for key in keys.standing(organization_id) if key.version > INDEX_KEY_VERSION]
    if len(versions) > 1:
        return Rotation(organization_id, max(versions), is_resumed=True)
    return Rotation(organization_id, box.rotate(organization_id), is_resumed=False)


def waiting_values(uow: UnitOfWork, column: SealedColumn, rotation: Rotation) -> int:
    table = column.table
    return int(
        uow.execute(
            select(func.count()).select_from(table).where(*_older(column, rotation), *_own(column, rotation))
        ).scalar_one()
    )


def reseal(
    unit: Unit,
    box: RotatingSecretBox,
    column: SealedColumn,
    rotation: Rotation,
    on_progress: Progress | None = None,
) -> int:
    """One pass over a column, in small transactions; how many values it sealed anew. The version in each ciphertext
    is the watermark: a pass that was broken off left nothing to be remembered. A value that changes meanwhile stays as
    its writer wrote it."""
    done, last = 0, None
    while True:
        with unit() as uow:
            rows = _page(uow, column, rotation, last)
            done += sum(_resealed(uow, box, column, rotation, key, sealed) for key, sealed in rows)
        if not rows:
            return done
        last = rows[-1][0]
        if on_progress is not None:
            on_progress(done)


def _page(uow: UnitOfWork, column: SealedColumn, rotation: Rotation, last: Key | None) -> list[tuple[Key, bytes]]:
    key, value = [column.table.c[name] for name in column.key], column.table.c[column.column]
    wanted = select(*key, value).where(*_older(column, rotation), *_own(column, rotation))
    if last is not None:
        wanted = wanted.where(tuple_(*key) > tuple_(*last))
    found = uow.execute(wanted.order_by(*key).limit(RESEALED_PER_PASS))
    return [(tuple(row[:-1]), bytes(row[-1])) for row in found]


def _resealed(
    uow: UnitOfWork, box: RotatingSecretBox, column: SealedColumn, rotation: Rotation, key: Key, sealed: bytes
) -> bool:
    place = column.place(rotation.organization_id, key)
    try:
        fresh = box.seal(place, box.open(place, sealed))
    except (
        DeniedError
    ):  # damaged, or moved here from elsewhere: it was unreadable before, and must not end the rotation
        return False
    table = column.table
    named = [table.c[name] == part for name, part in zip(column.key, key, strict=True)]
    here = (*named, table.c[column.column] == sealed, *_own(column, rotation))
    return uow.execute(update(table).where(*here).values({column.column: fresh})).rowcount == 1


def _own(column: SealedColumn, rotation: Rotation) -> tuple[ColumnElement[bool], ...]:
    return (column.of(rotation.organization_id),)


def _older(column: SealedColumn, rotation: Rotation) -> tuple[ColumnElement[bool], ...]:
    """A sealed value begins with its form (a byte) and the version of its data key (four)."""
    value = column.table.c[column.column]
    return (value.is_not(None), func.substring(value, 2, 4) < func.int4send(cast(rotation.version, Integer)))
