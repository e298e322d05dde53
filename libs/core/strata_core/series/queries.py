"""Reads of the catalogue."""

from collections.abc import Collection

from sqlalchemy import func, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.series import metric_series


def series_count(uow: UnitOfWork) -> int:
    """For the organization's cardinality quota."""
    mine = metric_series.c.organization_id == uow.organization_id
    return int(uow.execute(select(func.count()).select_from(metric_series).where(mine)).scalar_one())


def known_fingerprints(uow: UnitOfWork, fingerprints: Collection[bytes]) -> set[bytes]:
    wanted = select(metric_series.c.fingerprint).where(
        metric_series.c.organization_id == uow.organization_id, metric_series.c.fingerprint.in_(fingerprints)
    )
    return {bytes(found) for found in uow.execute(wanted).scalars()}
