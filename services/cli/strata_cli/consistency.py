"""`strata doctor consistency`: what stores hold, against what they should."""

from dataclasses import asdict, replace
from datetime import datetime

from strata_cli.administration import administration
from strata_cli.progress import progress_bar
from strata_cli.rendering import EXIT_BROKEN, out, print_json, print_table
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.search.comparing import Comparison, compare
from strata_core.search.drift import DriftRow, drift_by_kind, nothing_known
from strata_core.search.projections import PROJECTIONS, STORE
from strata_core.search.reconciling import compared_organizations
from strata_core.search.rules import Drift
from strata_datamodel.errors import UnavailableError
from strata_stores.breaker import Breaker
from strata_stores.factory import open_search_index
from strata_stores.settings import Settings

_COUNTS = ("missing", "stale", "ghosts", "ahead")
_COLUMNS = ("store", "kind", "organizations", "wanted", "held", *_COUNTS, "since", "repairs")


def run_consistency(settings: Settings, *, as_json: bool) -> int:
    """The exit code: 0 when nothing differs."""
    with administration(settings, "strata doctor consistency") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        index = open_search_index(settings, relational.clock, Breaker(STORE, relational.clock))
        try:
            rows = _compared(relational.system_units, index)
        finally:
            index.close()
    drift = sum(row.total for row in rows)
    if as_json:
        print_json({"is_consistent": drift == 0, "drift": drift, "stores": [_document(row) for row in rows]})
    else:
        print_table(_COLUMNS, [_cells(row) for row in rows])
        out.print(_verdict(drift), markup=False)
    return EXIT_BROKEN if drift else 0


def _compared(units: SystemUnitsOfWork, index: SearchIndex) -> list[DriftRow]:
    """The search index is compared now; of the rest, and of repairs, what workers wrote down is shown."""
    with units.system() as uow:
        known = drift_by_kind(uow)
        organizations = compared_organizations(uow)
    rows = {key: row for key, row in known.items() if key[0] != STORE}
    with progress_bar("comparing") as tell:
        for number, kind in enumerate(PROJECTIONS):
            row = known.get((STORE, kind), nothing_known(STORE, kind))
            row = replace(nothing_known(STORE, kind), repairs=row.repairs, oldest_at=row.oldest_at)
            for done, organization_id in enumerate(organizations, start=1):
                row = _added(row, compare(units.organization, index, organization_id, kind))
                tell(number * len(organizations) + done, len(PROJECTIONS) * len(organizations))
            rows[STORE, kind] = row
    return [rows[key] for key in sorted(rows)]


def _added(row: DriftRow, found: Comparison) -> DriftRow:
    return replace(
        row,
        organizations=row.organizations + 1,
        wanted=row.wanted + found.wanted,
        held=row.held + found.held,
        missing=row.missing + found.counts.get(Drift.MISSING, 0),
        stale=row.stale + found.counts.get(Drift.STALE, 0),
        ghosts=row.ghosts + found.counts.get(Drift.GHOST, 0),
        ahead=row.ahead + found.counts.get(Drift.AHEAD, 0),
    )


def _document(row: DriftRow) -> dict[str, object]:
    shown = asdict(row) | {"drift": row.total}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in shown.items()}


def _cells(row: DriftRow) -> tuple[object, ...]:
    since = f"{row.oldest_at:%Y-%m-%d %H:%M:%S}" if row.oldest_at and row.total else ""
    counts = (row.missing, row.stale, row.ghosts, row.ahead)
    return row.store, row.kind, row.organizations, row.wanted, row.held, *counts, since, row.repairs


def _verdict(drift: int) -> str:
    if not drift:
        return "Nothing differs."
    return (
        f"{drift} differ. Workers repair that by themselves; docs/guide/operations.md says what to do if they do not."
    )
