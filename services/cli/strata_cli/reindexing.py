"""`strata search reindex`: the index of alerts, made anew by the workers."""

from strata_cli.access.acting import acting
from strata_cli.administration import administration
from strata_cli.rendering import out, print_json
from strata_cli.sagas import run_watch
from strata_core.organizations.queries import organization_of
from strata_core.search.reconciling import compared_organizations
from strata_core.search.reindexing import start_reindex
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId, SagaId
from strata_stores.settings import Settings

_EVERY_S = 0.5


def run_reindex(settings: Settings, org: str | None, *, waits: bool, timeout_s: float | None, as_json: bool) -> int:
    """The greatest exit code of those that were followed."""
    started = [(each, _start(settings, str(each))) for each in _organizations(settings, org)]
    if not waits:
        _tell(started, as_json=as_json)
        return 0
    codes = [
        run_watch(settings, str(each), None, saga_id, every_s=_EVERY_S, timeout_s=timeout_s, as_json=as_json)
        for each, saga_id in started
    ]
    return max(codes, default=0)


def _organizations(settings: Settings, org: str | None) -> list[OrganizationId]:
    with administration(settings, "strata search") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            return compared_organizations(uow) if org is None else [OrganizationId(organization_of(uow, org).id)]


def _start(settings: Settings, org: str) -> SagaId:
    with acting(settings, org, None, "search") as who:
        return start_reindex(who.ctx, who.uow)


def _tell(started: list[tuple[OrganizationId, SagaId]], *, as_json: bool) -> None:
    if as_json:
        print_json([{"organization_id": str(each), "saga": str(saga_id)} for each, saga_id in started])
        return
    for each, saga_id in started:
        out.print(f"strata sagas watch {saga_id} --org {each}", markup=False, soft_wrap=True)
