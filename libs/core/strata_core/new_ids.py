"""Ids of the transaction's instant."""

from uuid import UUID

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import uuid7


def new_id(uow: UnitOfWork) -> UUID:
    """Sorts with the rows' times, also where a test moved the clock."""
    return uuid7(int(uow.now().timestamp() * 1000))
