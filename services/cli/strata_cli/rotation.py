"""`strata keys rotate-…`: new keys under everything sealed, while Strata runs."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from strata_cli.administration import administration
from strata_cli.progress import Tell, progress_bar
from strata_cli.rendering import out, print_json
from strata_cli.setup import OPERATOR
from strata_core.access.permissions import PERMISSIONS
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.key_rotation.commands import (
    Rotation,
    Unit,
    begin_rotation,
    owners_of_keys,
    reseal,
    waiting_values,
)
from strata_core.key_rotation.places import OF_ORGANIZATIONS, OF_PEOPLE, SealedColumn
from strata_core.organizations.queries import organization_of
from strata_core.ports.clock import Clock
from strata_core.ports.data_keys import DataKeys
from strata_core.ports.key_rotation import RotatingSecretBox
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import PEOPLE, OrganizationId
from strata_stores.relational import Relational, add_wrapping_key
from strata_stores.settings import Settings

SETTLE_S: Final = 75.0
"""Other processes seal with the key before for up to 60 s (see AesGcmSecretBox), and then end their transactions."""
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Keys:
    """What a rotation works with."""

    data_keys: DataKeys
    box: RotatingSecretBox
    clock: Clock


@dataclass(frozen=True, slots=True)
class Rotated:
    version: int
    resealed: int
    retired: int
    was_resumed: bool
    unreadable: int
    """Values that opened neither before nor now: damaged, or moved from another row."""


def run_rotate_wrapping(settings: Settings, *, with_new_key: bool, as_json: bool) -> None:
    if with_new_key:
        add_wrapping_key(settings)
    with administration(settings, "strata keys rotate-wrapping") as relational:
        rewrapped = rewrap_all(_system(relational), relational.secret_box)
        key_id = relational.keyring.current_id
    if as_json:
        print_json({"wrapping_key_id": key_id, "rewrapped": rewrapped})
        return
    out.print(f"{rewrapped} data key(s) were wrapped anew; all are under {key_id} now.", markup=False, soft_wrap=True)
    again = "Run it once more after every process was restarted with the new key, then the old key may go."
    out.print(again, markup=False, soft_wrap=True)


def run_rotate_data(settings: Settings, org: str | None, *, as_json: bool) -> None:
    with administration(settings, "strata keys rotate-data") as relational:
        units = _system(relational)
        keys = Keys(relational.data_keys, relational.secret_box, relational.clock)
        if org is None:
            done = rotate_data_key(keys, PEOPLE, units.system, OF_PEOPLE)
        else:
            with units.system() as uow:
                organization_id = OrganizationId(organization_of(uow, org).id)
            _note(units, organization_id, "data_key.rotate")
            done = rotate_data_key(keys, organization_id, lambda: units.organization(organization_id), OF_ORGANIZATIONS)
    if as_json:
        print_json(
            {"version": done.version, "resealed": done.resealed, "retired": done.retired, "unreadable": done.unreadable}
        )
    else:
        again = "The rotation that was broken off is finished. " if done.was_resumed else ""
        out.print(f"{again}{done.resealed} value(s) are sealed with data key {done.version} now.", markup=False)
        if done.unreadable:
            out.print(f"{done.unreadable} value(s) cannot be opened: damaged, or moved from elsewhere.", markup=False)


def rewrap_all(units: SystemUnitsOfWork, box: RotatingSecretBox) -> int:
    """An organization at a time, each key in a transaction of its own: broken off, it is simply run again."""
    last, rewrapped, owners = UUID(int=0), 0, 0
    with progress_bar("wrapping data keys") as tell:
        while True:
            with units.system() as uow:
                page = owners_of_keys(uow, last, PAGE)
            for owner in page:
                done = box.rewrap(owner)
                rewrapped += done
                if done and owner != PEOPLE:
                    _note(units, owner, "data_key.rewrap")
            owners += len(page)
            tell(owners, owners)
            if len(page) < PAGE:
                return rewrapped
            last = page[-1]


def rotate_data_key(
    keys: Keys,
    organization_id: OrganizationId,
    unit: Unit,
    columns: tuple[SealedColumn, ...],
    settle_s: float = SETTLE_S,
) -> Rotated:
    """Passes over the columns until all processes must have noticed the new key and a pass finds nothing. Only then is
    the old key retired, which also marks the rotation as finished: broken off before, it is taken up the next time."""
    rotation = begin_rotation(keys.data_keys, keys.box, organization_id)
    settled_at_s = keys.clock.monotonic_s() + settle_s
    resealed = _pass(keys, unit, columns, rotation)
    with progress_bar("waiting for processes that still seal with the old key") as tell:
        _wait(keys.clock, settled_at_s, settle_s, tell)
    while found := _pass(keys, unit, columns, rotation):
        resealed += found
    retired = keys.data_keys.retire(organization_id, rotation.version)
    with unit() as uow:
        unreadable = sum(waiting_values(uow, column, rotation) for column in columns)
    return Rotated(rotation.version, resealed, retired, rotation.is_resumed, unreadable)


def _pass(keys: Keys, unit: Unit, columns: tuple[SealedColumn, ...], rotation: Rotation) -> int:
    return sum(_column_pass(keys, unit, column, rotation) for column in columns)


def _column_pass(keys: Keys, unit: Unit, column: SealedColumn, rotation: Rotation) -> int:
    with unit() as uow:
        total = waiting_values(uow, column, rotation)
    with progress_bar(f"sealing {column.name}") as tell:
        return reseal(unit, keys.box, column, rotation, _of_total(tell, total))


def _of_total(tell: Tell, total: int) -> Callable[[int], None]:
    return lambda done: tell(done, max(total, done))


def _wait(clock: Clock, until_s: float, whole_s: float, tell: Tell) -> None:
    never = threading.Event()
    while (left := until_s - clock.monotonic_s()) > 0:
        tell(round(whole_s - left), round(whole_s))
        never.wait(min(left, 1.0))


def _note(units: SystemUnitsOfWork, organization_id: OrganizationId, action: str) -> None:
    ctx = Context(organization_id, OPERATOR, PERMISSIONS, f"keys-{uuid4()}")
    with units.organization(organization_id) as uow:
        record(ctx, uow, action, "organization", str(organization_id))


def _system(relational: Relational) -> SystemUnitsOfWork:
    if relational.system_units is None:
        raise UnavailableError("this needs the worker's database role", code="no_worker_role")
    return relational.system_units
