"""A person's passkeys: kept, found by what a browser presents, and used."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Row, and_, delete, func, insert, literal, or_, select, update

from strata_core.new_ids import new_id
from strata_core.ports.passkey_ceremonies import NewPasskey, PasskeyUse
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.announcing import announce
from strata_core.sign_in.second_factors import drop_codes_without_factor
from strata_core.sign_in.visits import Visit
from strata_datamodel.errors import ConflictError, LimitError, NotFoundError, UnauthenticatedError
from strata_datamodel.ids import PasskeyId, UserId
from strata_datamodel.limits import PASSKEYS_PER_PERSON
from strata_datamodel.tables.sign_in import passkeys
from strata_datamodel.tables.users import users


@dataclass(frozen=True, slots=True)
class Passkey:
    id: PasskeyId
    user_id: UserId
    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    name: str
    is_backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


def passkeys_of(uow: UnitOfWork, user_id: UserId) -> Sequence[Passkey]:
    """In the person's unit, oldest first."""
    statement = select(passkeys).where(passkeys.c.user_id == user_id).order_by(passkeys.c.id)
    return [_passkey(row) for row in uow.execute(statement)]


def presented_passkey(uow: UnitOfWork, credential_id: bytes) -> Passkey:
    """In the unit of the credential `credential_id.hex()`. Raises UnauthenticatedError (code `passkey_refused`)."""
    row = uow.execute(select(passkeys).where(passkeys.c.credential_id == credential_id)).one_or_none()
    if row is None:
        raise passkey_refused()
    return _passkey(row)


def add_passkey(uow: UnitOfWork, user_id: UserId, visit: Visit, new: NewPasskey, name: str) -> PasskeyId:
    """In the person's unit. Raises ConflictError (code `passkey_known`) for one that is registered, to whomever."""
    # One after the other, or two at once would go past the limit.
    uow.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    held = uow.execute(select(func.count()).where(passkeys.c.user_id == user_id)).scalar_one()
    if held >= PASSKEYS_PER_PERSON:
        raise LimitError(
            f"at most {PASSKEYS_PER_PERSON} passkeys", code="passkeys_limit", hint="remove one (PASSKEYS_PER_PERSON)"
        )
    passkey_id = PasskeyId(new_id(uow))
    try:
        uow.execute(
            insert(passkeys),
            {
                "id": passkey_id,
                "user_id": user_id,
                "credential_id": new.credential_id,
                "public_key": new.public_key,
                "sign_count": new.sign_count,
                "name": name,
                "is_backed_up": new.is_backed_up,
                "created_at": uow.now(),
            },
        )
    except ConflictError:
        raise ConflictError("this passkey is registered already", code="passkey_known") from None
    announce(uow, user_id, visit, "passkey.added", {"name": name})
    return passkey_id


def use_passkey(uow: UnitOfWork, passkey: Passkey, use: PasskeyUse) -> None:
    """In the person's unit, after it was checked. Raises UnauthenticatedError (code `passkey_refused`) when its counter
    was taken further, or it was removed, meanwhile."""
    goes_on = or_(
        passkeys.c.sign_count < use.sign_count, and_(passkeys.c.sign_count == 0, literal(use.sign_count) == 0)
    )
    used = uow.execute(
        update(passkeys)
        .where(passkeys.c.id == passkey.id, passkeys.c.user_id == passkey.user_id, goes_on)
        .values(sign_count=use.sign_count, is_backed_up=use.is_backed_up, last_used_at=uow.now())
        .returning(passkeys.c.id)
    )
    if used.one_or_none() is None:
        raise passkey_refused()


def remove_passkey(uow: UnitOfWork, user_id: UserId, visit: Visit, passkey_id: PasskeyId) -> None:
    """In the person's unit. Raises NotFoundError."""
    removed = uow.execute(
        delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.user_id == user_id).returning(passkeys.c.name)
    ).scalar_one_or_none()
    if removed is None:
        raise NotFoundError("there is no such passkey")
    announce(uow, user_id, visit, "passkey.removed", {"name": removed})
    drop_codes_without_factor(uow, user_id)


def passkey_refused() -> UnauthenticatedError:
    """One answer for an unknown passkey and one that does not fit."""
    return UnauthenticatedError("the passkey's answer does not hold", code="passkey_refused")


def _passkey(row: Row[tuple[object, ...]]) -> Passkey:
    return Passkey(
        id=PasskeyId(row.id),
        user_id=UserId(row.user_id),
        credential_id=row.credential_id,
        public_key=row.public_key,
        sign_count=row.sign_count,
        name=row.name,
        is_backed_up=row.is_backed_up,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
