"""Adding to the catalogue."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy.dialects.postgresql import insert

from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.series.rules import fingerprint
from strata_datamodel.errors import TooLargeError
from strata_datamodel.limits import SERIES_PER_REGISTRATION
from strata_datamodel.metrics import SeriesKey
from strata_datamodel.tables.series import metric_series

_ROWS_PER_STATEMENT: Final = 1_000
_ADD: Final = insert(metric_series).on_conflict_do_nothing().returning(metric_series.c.id)


def register(uow: UnitOfWork, keys: Iterable[SeriesKey]) -> int:
    """How many were new. Known ones are left alone: writing each again with each batch would cost more than the points.
    In order of fingerprint, so that two writers with the same new series wait for each other and never for a cycle."""
    by_fingerprint = {fingerprint(key): key for key in keys}
    if len(by_fingerprint) > SERIES_PER_REGISTRATION:
        raise TooLargeError(f"at most {SERIES_PER_REGISTRATION} series at once", hint="series_per_registration")
    ordered = sorted(by_fingerprint.items(), key=lambda item: item[0])
    added = 0
    for start in range(0, len(ordered), _ROWS_PER_STATEMENT):
        rows = [_row(uow, mark, key) for mark, key in ordered[start : start + _ROWS_PER_STATEMENT]]
        added += len(uow.execute(_ADD, rows).all())
    return added


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
