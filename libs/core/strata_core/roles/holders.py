"""Teams and service accounts are kept alike: a name and a description that roles are assigned to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Row, Table, delete, func, insert, select, update

from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.listing.pages import oldest_first
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.rules import name_problems
from strata_datamodel.errors import ConflictError, InvalidError, LimitError, NotFoundError, PreconditionError

Id = TypeVar("Id", bound=UUID)


@dataclass(frozen=True, slots=True)
class Holder(Generic[Id]):
    id: Id
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class HolderKind(Generic[Id]):
    """`name` stands in events, codes and the audit log; `title` is for people. The last three are
    kinds of events."""

    name: str
    title: str
    table: Table
    most: int
    as_id: Callable[[UUID], Id]
    event: Callable[[str, UUID, dict[str, object]], Event]
    created: str
    changed: str
    deleted: str

    def row(self, uow: UnitOfWork, holder_id: Id, *, version: int | None = None, lock: bool = False) -> Holder[Id]:
        """Raises PreconditionError when it is not the version the caller read."""
        wanted = select(self.table).where(self._is(uow, holder_id))
        row = uow.execute(wanted.with_for_update() if lock else wanted).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no such {self.title}", code=f"{self.name}_not_found")
        if version is not None and row.version != version:
            raise PreconditionError(
                f"the {self.title} was changed since you read it", hint="read it again and repeat your change"
            )
        return self._shown(row)

    def page(self, uow: UnitOfWork, *, limit: int, after: UUID | None) -> list[Holder[Id]]:
        """Oldest first."""
        wanted = select(self.table).where(self.table.c.organization_id == uow.organization_id)
        return [
            self._shown(row) for row in uow.execute(oldest_first(wanted, self.table.c.id, after=after, limit=limit))
        ]

    def make(self, ctx: Context, uow: UnitOfWork, name: str, description: str) -> Holder[Id]:
        """For a caller who may."""
        self._check(name, description)
        here = self.table.c.organization_id == uow.organization_id
        if uow.execute(select(func.count()).select_from(self.table).where(here)).scalar_one() >= self.most:
            raise LimitError(
                f"an organization has at most {self.most} {self.title}s", hint=f"{self.table.name}_per_organization"
            )
        holder_id = self.as_id(new_id(uow))
        ids = {"organization_id": uow.organization_id, "id": holder_id}
        self._write(uow, insert(self.table).values({**ids, "name": name.strip(), "description": description}))
        return self._told(ctx, uow, self.created, None, self.row(uow, holder_id))

    def change(
        self, ctx: Context, uow: UnitOfWork, holder_id: Id, version: int, name: str, description: str
    ) -> Holder[Id]:
        """For a caller who may."""
        self._check(name, description)
        before = self.row(uow, holder_id, version=version, lock=True)
        raised = {"version": self.table.c.version + 1, "updated_at": uow.now()}
        values = {"name": name.strip(), "description": description, **raised}
        self._write(uow, update(self.table).where(self._is(uow, holder_id)).values(values))
        return self._told(ctx, uow, self.changed, before, self.row(uow, holder_id))

    def remove(self, ctx: Context, uow: UnitOfWork, gone: Holder[Id], **also: object) -> None:
        """For a caller who may, of what `row` locked. `also` says what goes with it."""
        uow.execute(delete(self.table).where(self._is(uow, gone.id)))
        record(ctx, uow, self.deleted, self.name, str(gone.id), before={**_document(gone), **also})
        append(uow, self.event(self.deleted, gone.id, {"name": gone.name}))

    def _is(self, uow: UnitOfWork, holder_id: Id) -> ColumnElement[bool]:
        return (self.table.c.organization_id == uow.organization_id) & (self.table.c.id == holder_id)

    def _check(self, name: str, description: str) -> None:
        problems = name_problems(name, description)
        if problems:
            raise InvalidError(f"this {self.title} cannot be kept", code=f"bad_{self.name}", problems=problems)

    def _write(self, uow: UnitOfWork, statement: Executable) -> None:
        try:
            uow.execute(statement)
        except ConflictError as error:
            if error.code != "already_exists":
                raise
            raise ConflictError(
                f"there is a {self.title} of this name already", code=f"{self.name}_name_taken"
            ) from error

    def _told(
        self, ctx: Context, uow: UnitOfWork, kind: str, before: Holder[Id] | None, after: Holder[Id]
    ) -> Holder[Id]:
        old = None if before is None else _document(before)
        record(ctx, uow, kind, self.name, str(after.id), before=old, after=_document(after))
        append(uow, self.event(kind, after.id, {"name": after.name}))
        return after

    def _shown(self, row: Row[Any]) -> Holder[Id]:
        identity = self.as_id(row.id)
        return Holder(identity, row.name, row.description, row.version, row.created_at, row.updated_at)


def _document(holder: Holder[Id]) -> dict[str, object]:
    return {"name": holder.name, "description": holder.description}
