"""`strata orgs cells`, `cell` and `move`."""

from typing import Final

from strata_cli import sagas
from strata_cli.administration import administration
from strata_cli.operating import as_operator
from strata_cli.rendering import out, print_json, print_outcome, print_table
from strata_core.cells.moving import request_move
from strata_core.cells.queries import organizations_by_cell, placement_of
from strata_core.cells.stores import require_cell
from strata_datamodel.errors import UnavailableError
from strata_stores.settings import Settings

_EVERY_S: Final = 0.5


def run_cells(settings: Settings, *, as_json: bool) -> None:
    """One that is no longer in the settings is shown as long as it has organizations."""
    with administration(settings, "strata orgs") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            held = organizations_by_cell(uow)
    known = settings.metric_cells
    names = [*known, *sorted(held.keys() - known.keys())]
    rows = [(name, name in known, name == settings.cell_for_new, held.get(name, 0)) for name in names]
    columns = ("cell", "is_set", "is_for_new", "organizations")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    told = [
        (name, "" if is_set else "not in STRATA_CELLS", "yes" if is_new else "", count)
        for name, is_set, is_new, count in rows
    ]
    print_table(("cell", "", "for new ones", "organizations"), told)


def run_cell(settings: Settings, org: str, *, as_json: bool) -> None:
    with as_operator(settings, org, "orgs-cell") as (_, uow):
        placement = placement_of(uow)
    sentence = placement.cell if placement.also is None else f"{placement.cell}, written to {placement.also} too"
    print_outcome({"cell": placement.cell, "also": placement.also}, sentence, as_json=as_json)


def run_move(settings: Settings, org: str, to: str, *, waits: bool, as_json: bool) -> int:
    require_cell(settings.metric_cells, to)
    with as_operator(settings, org, "orgs-move") as (ctx, uow):
        saga_id = request_move(ctx, uow, to)
    if waits:
        return sagas.run_watch(settings, org, None, saga_id, every_s=_EVERY_S, timeout_s=None, as_json=as_json)
    if as_json:
        print_json({"saga_id": str(saga_id)})
    else:
        out.print(f"A worker moves it: strata sagas watch {saga_id} --org {org}", markup=False, soft_wrap=True)
    return 0
