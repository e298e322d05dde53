"""A transaction for one organization, as the operator at the console."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from strata_cli.administration import administration
from strata_cli.setup import OPERATOR
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Context
from strata_core.organizations.queries import organization_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_stores.settings import Settings


@contextmanager
def as_operator(settings: Settings, org: str, command: str) -> Iterator[tuple[Context, UnitOfWork]]:
    """`command` names what is done, in the audit log's request id."""
    with administration(settings, f"strata {command}") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            organization_id = OrganizationId(organization_of(uow, org).id)
        ctx = Context(organization_id, OPERATOR, PERMISSIONS, f"{command}-{uuid4()}")
        with relational.system_units.organization(organization_id) as uow:
            yield ctx, uow
