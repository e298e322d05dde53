"""What two stores compare before they compare rows: the same number in Python, in SQL and in every index."""

import hashlib
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, func, literal_column, select

from strata_datamodel.search import Bucket, Buckets

_LAST_BYTE: Final = 15


def bucket_of(entity_id: UUID) -> int:
    return entity_id.bytes[_LAST_BYTE]


def checksum_of(entity_id: UUID, version: int) -> int:
    """32 bits of a hash."""
    return int.from_bytes(hashlib.sha256(f"{entity_id}:{version}".encode()).digest()[:4], "big")


def buckets_of(versions: Iterable[tuple[UUID, int]]) -> Buckets:
    found: dict[int, Bucket] = {}
    for entity_id, version in versions:
        before = found.get(bucket_of(entity_id), Bucket(0, 0))
        found[bucket_of(entity_id)] = Bucket(before.count + 1, before.checksum + checksum_of(entity_id, version))
    return found


def bucket_column(table: Table) -> ColumnElement[int]:
    return func.get_byte(func.uuid_send(table.c.id), _LAST_BYTE)


def bucket_sums(table: Table) -> Select[Any, Any, Any]:
    """Rows of (bucket, count, checksum), to be narrowed to an organization."""
    bucket = bucket_column(table)
    return select(
        bucket.label("bucket"),
        func.count().label("count"),
        func.sum(literal_column(_CHECKSUM.format(table=table.name))).label("checksum"),
    ).group_by(bucket)


_CHECKSUM: Final = (
    "('x' || encode(substr(sha256(convert_to({table}.id::text || ':' || {table}.version::text, 'UTF8')), 1, 4), 'hex'))"
    "::bit(32)::bigint"
)
