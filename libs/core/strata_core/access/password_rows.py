"""Keeping the hash of somebody's password, where nobody but they and the system reach it."""

from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import UserId
from strata_datamodel.tables.users import password_hashes


def keep_password_hash(uow: UnitOfWork, user_id: UserId, password_hash: str) -> None:
    """In the person's unit or a system-wide one. Takes the place of the one before."""
    fresh = {"password_hash": password_hash, "changed_at": uow.now()}
    statement = insert(password_hashes).values(user_id=user_id, **fresh)
    uow.execute(statement.on_conflict_do_update(index_elements=[password_hashes.c.user_id], set_=fresh))
