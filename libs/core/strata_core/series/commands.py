"""Adding to the catalogue."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.quotas.queries import quotas_in_force
from strata_core.series.queries import known_fingerprints, series_count
from strata_core.series.rules import Decision, SeriesHeld, decide, fingerprint
from strata_datamodel.errors import TooLargeError
from strata_datamodel.limits import SERIES_PER_REGISTRATION
from strata_datamodel.metrics import SeriesKey
from strata_datamodel.tables.series import metric_series, series_counts

_ROWS_PER_STATEMENT: Final = 1_000
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Final = Decision((), ())


def register(uow: UnitOfWork, keys: Iterable[SeriesKey]) -> Decision:
    """Which of those that are not in the catalogue are now, and which its limits keep out. Known ones are left alone:
    writing each again with each batch would cost more than the points. Whoever has something new holds the row of the
    organization's counts: two processes cannot overshoot together."""
    by_fingerprint = {fingerprint(key): key for key in keys}
    if len(by_fingerprint) > SERIES_PER_REGISTRATION:
        raise TooLargeError(f"at most {SERIES_PER_REGISTRATION} series at once", hint="series_per_registration")
    if not _unknown(uow, by_fingerprint):
        return _NOTHING
    held = _held(uow)
    fresh = _unknown(uow, by_fingerprint)  # again: another process may have been first
    decision = decide(list(fresh.values()), held, quotas_in_force(uow))
    if decision.admitted:
        admitted = set(decision.admitted)
        _insert(uow, [(mark, key) for mark, key in fresh.items() if key in admitted])
        counts = series_counts.c
        added = {"total": counts.total + len(admitted), "new_in_hour": counts.new_in_hour + len(admitted)}
        uow.execute(update(series_counts).where(counts.organization_id == uow.organization_id).values(**added))
    return decision


def _unknown(uow: UnitOfWork, by_fingerprint: dict[bytes, SeriesKey]) -> dict[bytes, SeriesKey]:
    known = known_fingerprints(uow, by_fingerprint.keys())
    return {mark: key for mark, key in by_fingerprint.items() if mark not in known}


def _held(uow: UnitOfWork) -> SeriesHeld:
    """Locks the row. With each new hour the series are counted anew: some may have been forgotten."""
    hour = uow.now().replace(minute=0, second=0, microsecond=0)
    here, counts = uow.organization_id, series_counts.c
    row = {"organization_id": here, "hour": _LONG_AGO, "total": 0, "new_in_hour": 0}
    uow.execute(insert(series_counts).values(**row).on_conflict_do_nothing())
    wanted = select(counts.total, counts.hour, counts.new_in_hour).where(counts.organization_id == here)
    found = uow.execute(wanted.with_for_update()).one()
    if found.hour == hour:
        return SeriesHeld(found.total, found.new_in_hour)
    held = SeriesHeld(series_count(uow), 0)
    anew = {"total": held.total, "hour": hour, "new_in_hour": held.new_in_hour}
    uow.execute(update(series_counts).where(counts.organization_id == here).values(**anew))
    return held


def _insert(uow: UnitOfWork, fresh: list[tuple[bytes, SeriesKey]]) -> None:
    for start in range(0, len(fresh), _ROWS_PER_STATEMENT):
        rows = [_row(uow, mark, key) for mark, key in fresh[start : start + _ROWS_PER_STATEMENT]]
        uow.execute(insert(metric_series), rows)


def _row(uow: UnitOfWork, mark: bytes, key: SeriesKey) -> dict[str, object]:
    return {
        "organization_id": uow.organization_id,
        "id": new_id(uow),
        "fingerprint": mark,
        "measurement": key.measurement,
        "field": key.field,
        "field_class": key.field_class.value,
        "tags": dict(key.tags),
    }
