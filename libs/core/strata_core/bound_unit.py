"""A system-wide transaction, speaking for one organization while it does that organization's business."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Executable

from strata_core.ports.unit_of_work import Parameters, UnitOfWork
from strata_datamodel.ids import OrganizationId, UserId


@dataclass(frozen=True, slots=True)
class BoundUnit:
    """For commands that write under `organization_id`. What the unit may see does not change."""

    unit: UnitOfWork
    organization_id: OrganizationId

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[Any]:
        return self.unit.execute(statement, parameters)

    def now(self) -> datetime:
        return self.unit.now()

    def after_commit(self, action: Callable[[], None]) -> None:
        self.unit.after_commit(action)

    def within(self, organization_id: OrganizationId) -> AbstractContextManager[UnitOfWork]:
        return self.unit.within(organization_id)

    def of_person(self, user_id: UserId) -> AbstractContextManager[UnitOfWork]:
        return self.unit.of_person(user_id)
