"""`strata metrics repair`: hours rolled up again by the worker, and waited for."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from strata_cli.administration import administration
from strata_cli.progress import progress_bar
from strata_cli.rendering import EXIT_PROBLEM, out, print_json
from strata_core.instants import instant_ns, rfc3339
from strata_core.organizations.queries import organization_of, organizations_after
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.rollups.commands import mark_dirty
from strata_core.rollups.queries import hours_left
from strata_core.rollups.rules import HOUR_NS, hour_of
from strata_datamodel.errors import InvalidError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_stores.clock import SystemClock
from strata_stores.settings import Settings

HOURS_AT_MOST = 24 * 365
_PAGE = 500
_LOOKED_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Range:
    """As people write instants."""

    begin: str
    end: str

    def hours(self, now_ns: int) -> range:
        """Raises InvalidError."""
        from_ns = hour_of(instant_ns(self.begin, now_ns=now_ns, where="--from"))
        to_ns = min(instant_ns(self.end, now_ns=now_ns, where="--to"), now_ns)
        hours = range(from_ns, to_ns, HOUR_NS)
        if not hours or len(hours) > HOURS_AT_MOST:
            raise InvalidError(f"that are {len(hours)} hours: 1 to {HOURS_AT_MOST} go at once", code="bad_range")
        return hours


def run_repair(
    settings: Settings, org: str | None, wanted: Range, *, is_dry: bool, waits: bool, timeout_s: float, as_json: bool
) -> int:
    hours = wanted.hours(SystemClock().now_ns())
    with administration(settings, "strata metrics repair") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        units = relational.system_units
        whose = _organizations(units, org)
        if not is_dry:
            _mark(units, whose, hours)
        left = 0 if is_dry or not waits else _wait(units, whose, hours, timeout_s)
    _tell(hours, len(whose), left, is_dry=is_dry, waits=waits, as_json=as_json)
    return EXIT_PROBLEM if left else 0


def _mark(units: SystemUnitsOfWork, whose: Sequence[OrganizationId], hours: range) -> None:
    for organization_id in whose:
        with units.organization(organization_id) as uow:
            mark_dirty(uow, hours)


def _organizations(units: SystemUnitsOfWork, org: str | None) -> Sequence[OrganizationId]:
    with units.system() as uow:
        if org is not None:
            return [OrganizationId(organization_of(uow, org).id)]
        found: list[OrganizationId] = []
        last: str | None = None
        while page := organizations_after(uow, last, _PAGE):
            found += [OrganizationId(each.id) for each in page]
            last = page[-1].slug
        return found


def _wait(units: SystemUnitsOfWork, whose: Sequence[OrganizationId], hours: range, timeout_s: float) -> int:
    """How many hours are left. A worker does them; without one, none ever goes."""
    clock, pause, total = SystemClock(), threading.Event(), len(whose) * len(hours)
    begun_s = clock.monotonic_s()
    with units.system() as uow:
        asked_at = uow.now()
    with progress_bar("rolling up again") as tell:
        while left := _left(units, whose, hours, asked_at):
            tell(total - left, total)
            if clock.monotonic_s() - begun_s > timeout_s:
                return left
            pause.wait(_LOOKED_AFTER_S)
    return 0


def _left(units: SystemUnitsOfWork, whose: Sequence[OrganizationId], hours: range, asked_at: datetime) -> int:
    with units.system() as uow:
        return hours_left(uow, whose, hours[0], hours[-1], asked_at)


def _tell(hours: range, organizations: int, left: int, *, is_dry: bool, waits: bool, as_json: bool) -> None:
    begin, end, total = rfc3339(hours[0]), rfc3339(hours[-1] + HOUR_NS), len(hours) * organizations
    if as_json:
        print_json({"from": begin, "to": end, "organizations": organizations, "hours": total, "left": left})
        return
    about = f"{total} hours of {organizations} organizations, from {begin} to {end}"
    if is_dry:
        sentence = f"Would roll up again {about}."
    elif left:
        sentence = f"{left} of {about} are not done yet: is a worker running (strata doctor)? They stay marked."
    else:
        sentence = f"{'Rolled up again' if waits else 'Marked'}: {about}."
    out.print(sentence, markup=False, soft_wrap=True)
