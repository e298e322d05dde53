"""The unit of work that sees all organizations. Only workers and the command line may import this module."""

from contextlib import AbstractContextManager
from typing import Protocol

from strata_core.ports.unit_of_work import UnitOfWork, UnitsOfWork


class SystemUnitsOfWork(UnitsOfWork, Protocol):
    def system(self) -> AbstractContextManager[UnitOfWork]:
        """Sees every row of every organization; `organization_id` of the unit raises."""
        ...
