"""A new organization, waited for until it is open: beside a running Strata, and without one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from uuid import uuid4

from strata_cli.administration import administration
from strata_core.context import Actor
from strata_core.organizations.commands import Provisioned
from strata_core.organizations.provisioning import begin_provisioning
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.sagas.rules import SagaState
from strata_core.sagas.tools import SagaTools
from strata_core.search.source import CurrentEntities
from strata_datamodel.errors import ConflictError, DeadlineError, UnavailableError
from strata_datamodel.ids import SagaId
from strata_stores.anchoring import open_anchor_signer, open_configured_archive
from strata_stores.breaker import Breaker
from strata_stores.embedded.directory import running_instance
from strata_stores.factory import metric_store_of, open_log_store, open_metric_cells, open_search_index
from strata_stores.null.cache import NullCache
from strata_stores.null.mailer import MailDirectory
from strata_stores.null.notifier import NullNotifier
from strata_stores.relational import Relational
from strata_stores.settings import Settings
from strata_workers.inline import await_saga

_TIMEOUT_S: Final = 60.0


def provision(
    settings: Settings, command: str, *, slug: str, name: str, email: str, password_hash: str, actor: Actor
) -> Provisioned:
    """Raises as `provision_organization` does; ConflictError (code `not_provisioned`) when it could not be set up, and
    then nothing of it is left."""
    with administration(settings, f"strata {command}") as relational:
        units = relational.system_units
        if units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with units.system() as uow:
            made, saga_id = begin_provisioning(
                uow,
                slug=slug,
                name=name,
                owner_email=email,
                password_hash=password_hash,
                actor=actor,
                request_id=f"{command}-{uuid4()}",
            )
        state = _state_in_the_end(settings, relational, units, made, saga_id)
    if state is None:
        raise DeadlineError(
            f"{slug} is not set up yet, and its saga goes on", hint=f"strata sagas show {saga_id} --org {slug}"
        )
    if state is not SagaState.DONE:
        raise ConflictError(
            f"{slug} could not be set up, and nothing of it is left", code="not_provisioned", hint="see `strata doctor`"
        )
    return made


def _state_in_the_end(
    settings: Settings, relational: Relational, units: SystemUnitsOfWork, made: Provisioned, saga_id: SagaId
) -> SagaState | None:
    """A worker that runs may be faster. With stores that only its process can open, it has to be the one."""
    organization_id, clock = made.organization.id, relational.clock
    if _is_up(settings):
        return await_saga(units, organization_id, saga_id, None, clock, timeout_s=_TIMEOUT_S)
    with _tools(settings, relational, units) as tools:
        return await_saga(units, organization_id, saga_id, tools, clock, timeout_s=_TIMEOUT_S)


def _is_up(settings: Settings) -> bool:
    running = running_instance(settings.data_dir)
    # These are embedded in the process of a running Strata, and nobody else can open them then.
    is_alone = settings.has_embedded_metrics or settings.is_embedded("logs_url")
    return running is not None and running.api_url is not None and is_alone


@contextmanager
def _tools(settings: Settings, relational: Relational, units: SystemUnitsOfWork) -> Iterator[SagaTools]:
    """Nothing is open but the stores that have to be ready: the others hold nothing of a new organization."""
    clock = relational.clock
    with ExitStack() as stack:
        cells, _ = open_metric_cells(settings, clock)
        metric_store = metric_store_of(cells, units, clock)
        stack.callback(metric_store.close)
        log_store = open_log_store(settings, clock, Breaker("logs", clock))
        stack.callback(log_store.close)
        search_index = open_search_index(settings, clock, Breaker("search", clock))
        stack.callback(search_index.close)
        yield SagaTools(
            metric_store=metric_store,
            cells=cells,
            log_store=log_store,
            search_index=search_index,
            search_source=CurrentEntities(units.organization),
            cache=NullCache(),
            archive=open_configured_archive(settings, Breaker("archive", clock)),
            notifier=NullNotifier(),
            mailer=MailDirectory(settings.data_dir / "mail", settings.mail_from),
            secret_box=relational.secret_box,
            signer=open_anchor_signer(settings, relational.keyring),
            clock=clock,
        )
