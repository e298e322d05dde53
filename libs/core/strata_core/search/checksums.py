"""What two stores compare before they compare rows: the same number in Python, in SQL and in every index."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, func, literal_column, select

_LAST_BYTE: Final = 15
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def bucket_of(entity_id: UUID) -> int:
    return entity_id.bytes[_LAST_BYTE]


def checksum_of(entity_id: UUID, version: int, changed_us: int) -> int:
    """32 bits of a hash."""
    return int.from_bytes(hashlib.sha256(f"{entity_id}:{version}:{changed_us}".encode()).digest()[:4], "big")


def unix_us(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def bucket_of_id(column: ColumnElement[Any]) -> ColumnElement[int]:
    return func.get_byte(func.uuid_send(column), _LAST_BYTE)


def bucket_sums(table: Table) -> Select[Any, Any, Any]:
    """Rows of (bucket, live, checksum), to be narrowed to an organization."""
    return select(
        table.c.bucket,
        func.count().label("live"),
        func.sum(literal_column(_CHECKSUM.format(table=table.name))).label("checksum"),
    ).group_by(table.c.bucket)


_CHECKSUM: Final = (
    "('x' || encode(substr(sha256(convert_to({table}.id::text || ':' || {table}.version::text || ':'"
    " || (extract(epoch FROM {table}.updated_at) * 1000000)::bigint::text, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint"
)
