"""What two stores compare before they compare rows: the same number in Python, in SQL and in every index."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, Text, cast, collate, func, literal_column, select

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


def bucket_sums(table: Table, where: ColumnElement[bool], limit: int) -> Select[Any, Any, Any, Any]:
    """Rows of (bucket, live, checksum, last), by bucket, of the first `limit` rows by bucket and id: `last` is the
    highest id among them."""
    wanted = select(table.c.bucket, table.c.id, table.c.version, table.c.updated_at).where(where)
    bite = wanted.order_by(table.c.bucket, table.c.id).limit(limit).subquery(table.name)
    return (
        select(
            bite.c.bucket,
            func.count().label("live"),
            func.sum(literal_column(_CHECKSUM.format(table=table.name))).label("checksum"),
            func.max(collate(cast(bite.c.id, Text), "C")).label("last"),  # PostgreSQL has no greatest UUID
        )
        .group_by(bite.c.bucket)
        .order_by(bite.c.bucket)
    )


_CHECKSUM: Final = (
    "('x' || encode(substr(sha256(convert_to({table}.id::text || ':' || {table}.version::text || ':'"
    " || (extract(epoch FROM {table}.updated_at) * 1000000)::bigint::text, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint"
)
