"""Whether an organization wants rows of its servers."""

from sqlalchemy import select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.organizations import organizations

SETTING = "relational_server_metrics"


def is_turned_on(uow: UnitOfWork) -> bool:
    wanted = select(organizations.c.settings[SETTING].as_boolean()).where(organizations.c.id == uow.organization_id)
    return bool(uow.execute(wanted).scalar_one_or_none())
