"""Reads of the catalogue."""

from collections.abc import Collection

from sqlalchemy import func, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.series.rules import SeriesHeld
from strata_datamodel.tables.series import metric_series, series_counts


def series_count(uow: UnitOfWork) -> int:
    """For the organization's cardinality quota."""
    mine = metric_series.c.organization_id == uow.organization_id
    return int(uow.execute(select(func.count()).select_from(metric_series).where(mine)).scalar_one())


def series_held(uow: UnitOfWork) -> SeriesHeld:
    """As of the last new series; of the hour that the clock shows."""
    counts = series_counts.c
    wanted = select(counts.total, counts.hour, counts.new_in_hour).where(counts.organization_id == uow.organization_id)
    found = uow.execute(wanted).one_or_none()
    if found is None:
        return SeriesHeld(0, 0)
    is_current = found.hour == uow.now().replace(minute=0, second=0, microsecond=0)
    return SeriesHeld(found.total, found.new_in_hour if is_current else 0)


def known_fingerprints(uow: UnitOfWork, fingerprints: Collection[bytes]) -> set[bytes]:
    wanted = select(metric_series.c.fingerprint).where(
        metric_series.c.organization_id == uow.organization_id, metric_series.c.fingerprint.in_(fingerprints)
    )
    return {bytes(found) for found in uow.execute(wanted).scalars()}
