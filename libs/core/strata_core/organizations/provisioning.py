"""The saga that sets an organization up: its rows are there from the start, and it opens once every store is ready.

Until then it is `provisioning`, and nobody can read or send. When it cannot be opened, all of it goes away again.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update

from strata_core.access.permissions import PERMISSIONS
from strata_core.audit.commands import record
from strata_core.bound_unit import BoundUnit
from strata_core.cells.commands import place
from strata_core.cells.rules import DEFAULT_CELL
from strata_core.context import Actor, Context
from strata_core.organizations import belongings, holdings, tombstones
from strata_core.organizations.commands import PROVISIONED, Provisioned, provision_organization
from strata_core.organizations.queries import organization_of
from strata_core.organizations.rules import ACTIVE, PROVISIONING
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.secret_box import SecretPlace
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.definitions import Json, LocalStep, PutStep, Saga, SagaDefinition, nothing_to_undo
from strata_core.sagas.starting import start_saga
from strata_core.sagas.tools import SagaTools
from strata_datamodel.errors import ConflictError
from strata_datamodel.ids import SagaId
from strata_datamodel.limits import ACCESS_LOG_DAYS
from strata_datamodel.tables.organizations import organizations

ROWS: Final = "rows"
_DEFAULTS: Final = {"access_log_retention_days": ACCESS_LOG_DAYS}
"""Written down: what was promised to an organization does not change with a later release."""


def find_rows(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    """They are written with the saga itself, and this step is done from the start: it is here to be undone."""
    organization = organization_of(uow, str(uow.organization_id))
    if organization.status != PROVISIONING:
        raise ConflictError(f"{organization.slug} is {organization.status}", code="not_provisioning")
    return {"slug": organization.slug}


def remove_rows(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    """Behind a tombstone, as its keys were shown to somebody."""
    if tombstones.tombstone(uow) is None:
        tombstones.put_up(uow, saga.input["slug"], saga.id)
    belongings.delete_rows(uow, saga.id)
    tombstones.note_deleted(uow)


def name_organization(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    return holdings.intent_of(uow.organization_id)


def make_data_key(tools: SagaTools, intent: Json) -> Json:
    """The first value that is sealed makes the key."""
    organization_id = holdings.organization_in(intent)
    tools.secret_box.seal(SecretPlace(organization_id, "organizations", "id", UUID(int=0)), b"first")
    return None


def prepare_tiers(tools: SagaTools, _: Json) -> Json:
    tools.metric_store.prepare()
    return {"cell": tools.cells.for_new}


def prepare_indices(tools: SagaTools, _: Json) -> Json:
    tools.log_store.prepare()
    tools.search_index.prepare()
    return None


def set_defaults(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    cell = (saga.outputs.get("tiers") or {}).get("cell", DEFAULT_CELL)
    if cell != DEFAULT_CELL:
        place(uow, cell)
    after = {**_DEFAULTS, **organization_of(uow, str(uow.organization_id)).settings}
    uow.execute(update(organizations).where(organizations.c.id == uow.organization_id).values(settings=after))


def open_organization(ctx: Context, uow: UnitOfWork, saga: Saga) -> Json:
    here = (organizations.c.id == uow.organization_id) & (organizations.c.status == PROVISIONING)
    changes = {"status": ACTIVE, "version": organizations.c.version + 1, "updated_at": uow.now()}
    if not uow.execute(update(organizations).where(here).values(**changes)).rowcount:
        raise ConflictError("the organization is not being set up any more", code="not_provisioning")
    organization_id = str(uow.organization_id)
    record(ctx, uow, PROVISIONED, "organization", organization_id, after={"status": ACTIVE})
    append(uow, Event(PROVISIONED, 1, "organization", uow.organization_id, {"slug": saga.input["slug"]}))


PROVISIONING_SAGA: Final = SagaDefinition(
    kind="organization_provisioning",
    version=1,
    steps=(
        LocalStep(ROWS, run=find_rows, undo=remove_rows),
        PutStep("data-key", intend=name_organization, effect=make_data_key, undo_effect=nothing_to_undo),
        PutStep("tiers", intend=name_organization, effect=prepare_tiers, undo_effect=nothing_to_undo),
        PutStep("indices", intend=name_organization, effect=prepare_indices, undo_effect=nothing_to_undo),
        LocalStep("defaults", run=set_defaults, undo=nothing_to_undo),
        LocalStep("open", run=open_organization),
    ),
    pivot="open",
    deadline=timedelta(minutes=10),
)


def begin_provisioning(
    uow: UnitOfWork,
    *,
    slug: str,
    name: str,
    owner_email: str,
    password_hash: str,
    actor: Actor,
    request_id: str,
) -> tuple[Provisioned, SagaId]:
    """In a system-wide unit. Raises as `provision_organization` does. The keys work once the saga has opened it."""
    made = provision_organization(
        uow,
        slug=slug,
        name=name,
        owner_email=owner_email,
        password_hash=password_hash,
        actor=actor,
        request_id=request_id,
        status=PROVISIONING,
    )
    organization_id = made.organization.id
    ctx = Context(organization_id, actor, PERMISSIONS, request_id)
    bound = BoundUnit(uow, organization_id)
    return made, start_provisioning(ctx, bound, made.organization.slug)


def start_provisioning(ctx: Context, uow: UnitOfWork, slug: str) -> SagaId:
    """In the transaction that writes the organization's rows, which is the saga's first step."""
    return start_saga(ctx, uow, PROVISIONING_SAGA, {"slug": slug}, done=(ROWS,))
