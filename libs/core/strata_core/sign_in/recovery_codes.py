"""Codes on paper, for the day the phone is gone."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import UserId
from strata_datamodel.limits import RECOVERY_CODES
from strata_datamodel.tables.sign_in import recovery_codes

_CODE_BYTES: Final = 10
_GROUP: Final = 4
_LENGTH: Final = 16


def replace_recovery_codes(uow: UnitOfWork, user_id: UserId) -> Sequence[str]:
    """New ones, shown once; the ones before work no more."""
    codes = [base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode("ascii").lower() for _ in range(RECOVERY_CODES)]
    drop_recovery_codes(uow, user_id)
    uow.execute(
        insert(recovery_codes),
        [{"user_id": user_id, "code_hash": _hash(user_id, code), "created_at": uow.now()} for code in codes],
    )
    return ["-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for code in codes]


def drop_recovery_codes(uow: UnitOfWork, user_id: UserId) -> None:
    uow.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))


def use_recovery_code(uow: UnitOfWork, user_id: UserId, typed: str) -> bool:
    """Once: of two uses at once one is told yes."""
    code = "".join(sign for sign in typed.lower() if sign.isalnum())
    if len(code) != _LENGTH:
        return False
    statement = (
        update(recovery_codes)
        .where(
            recovery_codes.c.user_id == user_id,
            recovery_codes.c.code_hash == _hash(user_id, code),
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=uow.now())
    )
    return uow.execute(statement).rowcount == 1


def recovery_codes_left(uow: UnitOfWork, user_id: UserId) -> int:
    statement = select(func.count()).where(recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
    return int(uow.execute(statement).scalar_one())


def _hash(user_id: UserId, code: str) -> bytes:
    """A fast hash is enough: a code has 80 random bits."""
    return hashlib.sha256(user_id.bytes + code.encode("utf-8", "surrogatepass")).digest()
