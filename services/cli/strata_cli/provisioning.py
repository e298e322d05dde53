"""A new organization, waited for until it is open: beside a running Strata, and without one."""

from typing import Final
from uuid import uuid4

from strata_cli.administration import relational_urls
from strata_core.context import Actor
from strata_core.organizations.commands import Provisioned
from strata_core.organizations.provisioning import begin_provisioning
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.sagas.rules import SagaState
from strata_core.sagas.tools import SagaTools
from strata_core.search.source import CurrentEntities
from strata_datamodel.errors import ConflictError, DeadlineError, UnavailableError
from strata_datamodel.ids import SagaId
from strata_stores.clock import SystemClock
from strata_stores.embedded.directory import running_instance
from strata_stores.factory import Stores, open_stores
from strata_stores.relational import ServerUrls, open_relational
from strata_stores.settings import Settings
from strata_workers.inline import await_saga

_TIMEOUT_S: Final = 60.0
_IN_THE_PROCESS: Final = ("metrics_url", "logs_url")
"""Stores that are embedded in a running Strata, which nobody else can open then."""


def provision(
    settings: Settings, command: str, *, slug: str, name: str, email: str, password_hash: str, actor: Actor
) -> Provisioned:
    """Raises as `provision_organization` does; ConflictError (code `not_provisioned`) when it could not be set up, and
    then nothing of it is left."""
    # Asked now: once this command holds the data directory, it is what runs there.
    is_held = running_instance(settings.data_dir) is not None and any(map(settings.is_embedded, _IN_THE_PROCESS))
    with (
        relational_urls(settings, f"strata {command}") as urls,
        open_relational(settings, urls, with_system=True) as relational,
    ):
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
        state = _state_in_the_end(settings, urls, units, made, saga_id, is_held=is_held)
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
    settings: Settings,
    urls: ServerUrls,
    units: SystemUnitsOfWork,
    made: Provisioned,
    saga_id: SagaId,
    *,
    is_held: bool,
) -> SagaState | None:
    """A worker that runs may be faster. With stores that only its process can open, it has to be the one."""
    organization_id, clock = made.organization.id, SystemClock()
    if is_held:
        return await_saga(units, organization_id, saga_id, None, clock, timeout_s=_TIMEOUT_S)
    with open_stores(settings, urls, with_system=True) as stores:
        return await_saga(units, organization_id, saga_id, _tools(stores, units), clock, timeout_s=_TIMEOUT_S)


def _tools(stores: Stores, units: SystemUnitsOfWork) -> SagaTools:
    return SagaTools(
        metric_store=stores.metric_store,
        log_store=stores.log_store,
        search_index=stores.search_index,
        search_source=CurrentEntities(units),
        cache=stores.cache,
        archive=stores.archive,
        notifier=stores.notifier,
        mailer=stores.mailer,
        secret_box=stores.secret_box,
        signer=stores.anchor_signer,
        clock=stores.clock,
    )
