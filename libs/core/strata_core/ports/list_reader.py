"""Pages of lists, straight from the database to the bytes that are sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Select

from strata_datamodel.ids import OrganizationId

ListedRow = Sequence[bytes]
"""The text of a JSON object, and after it the parts of the key by which the next page goes on."""


@dataclass(frozen=True, slots=True)
class Question:
    """A page of a list. The statement is the same object whenever the same is asked with other values: whoever
    prepares statements may keep what they prepared by it."""

    organization_id: OrganizationId
    statement: Select[Any]
    values: Mapping[str, object]


class ListReader(Protocol):
    def page(self, question: Question) -> Sequence[ListedRow]:
        """In a transaction of its own, bound to the organization: row security applies as in a unit of work. Raises
        what `UnitOfWork.execute` raises."""
        ...
