"""One request or job is one transaction, bound to what its credential may see."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import CursorResult, Executable

from strata_core.ports.list_reader import ListReader
from strata_datamodel.ids import OrganizationId, UserId

Parameters = Mapping[str, object] | Sequence[Mapping[str, object]]


class UnitOfWork(Protocol):
    """An open transaction. Commands and queries take it as an argument and never end it."""

    @property
    def organization_id(self) -> OrganizationId:
        """The organization the transaction is bound to. Raises InvalidError in a unit that has none."""
        ...

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[Any]:
        """Run one SQLAlchemy Core statement. Row security applies: rows of others do not exist here.

        Raises StoreUnavailableError when PostgreSQL is down, silent or out of connections; DeadlineError past the
        statement time-out; ConflictError (code `concurrent_update`) on serialization failure, deadlock and lock
        time-out; ConflictError (code `already_exists`) on a unique violation and (`reference_missing`) on a foreign
        key; InvalidError for a value the schema refuses; DeniedError for what row security or a grant refuses. None
        holds a value of the row in its text. After any of them the transaction can only be rolled back.
        """
        ...

    def now(self) -> datetime:
        """`app.now()`: the transaction's instant, moved by the clock's offset in tests."""
        ...

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action` once the transaction is committed; never when it is rolled back. Its failure is logged only:
        nothing may depend on it but speed."""
        ...

    def within(self, organization_id: OrganizationId) -> AbstractContextManager["UnitOfWork"]:
        """The same transaction, seeing this organization's rows too while the block lasts: for what a person does that
        their organizations have to know of. After an error in it the transaction can only be rolled back."""
        ...

    def of_person(self, user_id: UserId) -> AbstractContextManager["UnitOfWork"]:
        """The same transaction, seeing what belongs to this person too while the block lasts: for what becomes of their
        account in their organization. After an error in it the transaction can only be rolled back."""
        ...


class UnitsOfWork(ListReader, Protocol):
    """Opens units. Leaving the block commits, an exception rolls back and is raised on. Only edges call this."""

    def organization(self, organization_id: OrganizationId) -> AbstractContextManager[UnitOfWork]:
        """Sees this organization's rows."""
        ...

    def person(self, user_id: UserId) -> AbstractContextManager[UnitOfWork]:
        """Sees one user: own profile, sessions, memberships and the organizations they name."""
        ...

    def credential(self, fingerprint: str) -> AbstractContextManager[UnitOfWork]:
        """Sees only the row that a presented credential names: a key id, a session's hash, a case-folded e-mail
        address. This is how a caller is recognised before anything else about them is known."""
        ...
