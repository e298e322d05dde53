"""The quotas in force."""

from collections.abc import Mapping

from sqlalchemy import select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.quotas.rules import DEFAULTS, Quota
from strata_datamodel.tables.quotas import quotas


def set_quotas(uow: UnitOfWork) -> Mapping[Quota, int]:
    """Only those that an operator set. A name of an older or newer version is passed over."""
    known = {quota.value: quota for quota in Quota}
    statement = select(quotas.c.name, quotas.c.value).where(quotas.c.organization_id == uow.organization_id)
    return {known[row.name]: row.value for row in uow.execute(statement) if row.name in known}


def quotas_in_force(uow: UnitOfWork) -> Mapping[Quota, int]:
    return {**DEFAULTS, **set_quotas(uow)}
