"""Dead letters that were kept as they were sent: compressed, or in parts. PostgreSQL cannot look into those."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, select

from strata_core.erasures.rules import ErasureKind, Selector, needles
from strata_core.listing.pages import oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.limits import DECOMPRESSION_RATIO, DECOMPRESSION_RATIO_FLOOR_BYTES, INGEST_BODY_BYTES
from strata_datamodel.tables.outbox import dead_letters

_ANY_WRAPPER: Final = 47  # gzip or zlib, as the bytes say
_NO_WRAPPER: Final = -15
_LETTERS_AT_ONCE: Final = 200
_MEMBERS: Final = 2_048
_d = dead_letters.c


def count_packed(uow: UnitOfWork, selector: Selector) -> tuple[int, int]:
    """Letters that hold it, and letters of bodies that nobody can read: damaged, cut, or larger than any was."""
    held = unreadable = 0
    for letter_ids, holds_it in _looked_into(uow, selector):
        held += len(letter_ids) if holds_it else 0
        unreadable += len(letter_ids) if holds_it is None else 0
    return held, unreadable


def delete_packed(uow: UnitOfWork, selector: Selector) -> None:
    """With the other parts of their bodies, which are of no use without them. Idempotent."""
    for letter_ids, holds_it in _looked_into(uow, selector):
        if holds_it:
            here = _d.organization_id == uow.organization_id
            uow.execute(delete(dead_letters).where(here, _d.id.in_(letter_ids)))


def plain(content_format: ColumnElement[str]) -> ColumnElement[bool]:
    """Of the others: what is in them can be seen as it is."""
    return ~_packed(content_format)


def holds(body: bytes, selector: Selector) -> bool:
    """Whatever the letters' case, of ASCII at least."""
    found = (each.lower() in body.lower() for each in needles(selector))
    return any(found) if selector.kind is ErasureKind.PERSON else all(found)


def inflated(body: bytes) -> bytes | None:
    """None for what is no compressed body, or is larger than one that would ever be accepted."""
    bound = min(INGEST_BODY_BYTES, max(DECOMPRESSION_RATIO_FLOOR_BYTES, DECOMPRESSION_RATIO * len(body)))
    return _inflated(body, _ANY_WRAPPER, bound) or _inflated(body, _NO_WRAPPER, bound)


def _packed(content_format: ColumnElement[str]) -> ColumnElement[bool]:
    is_coded = and_(content_format.like("%;encoding=%"), ~content_format.like("%;encoding=identity%"))
    return or_(is_coded, content_format.like("%;part=%"))


def _looked_into(uow: UnitOfWork, selector: Selector) -> Iterator[tuple[Sequence[UUID], bool | None]]:
    """The letters of each body, and whether it holds the subject; None where nobody can tell."""
    after: UUID | None = None
    here = (_d.organization_id == uow.organization_id, _packed(_d.content_format))
    while True:
        # A body's letters are written one after the other, and its first stands for it.
        is_first = or_(~_d.content_format.like("%;part=%"), _d.content_format.like("%;part=1/%"))
        wanted = select(_d.id, _d.batch_id, _d.content_format).where(*here, is_first)
        firsts = uow.execute(oldest_first(wanted, _d.id, after=after, limit=_LETTERS_AT_ONCE)).all()
        for first in firsts:
            is_whole = ";part=" not in first.content_format or first.batch_id is None
            same = (
                _d.id == first.id
                if is_whole
                else and_(_d.batch_id == first.batch_id, _d.content_format.like("%;part=%"))
            )
            parts = uow.execute(select(_d.id, _d.content_format, _d.content).where(*here, same)).all()
            parts = sorted(parts, key=lambda part: _number(part.content_format))
            body: bytes | None = b"".join(bytes(part.content) for part in parts)
            if body and ";encoding=" in first.content_format and ";encoding=identity" not in first.content_format:
                body = inflated(body)
            yield [part.id for part in parts], None if body is None else holds(body, selector)
        if not firsts:
            return
        after = firsts[-1].id


def _number(content_format: str) -> int:
    number = content_format.partition(";part=")[2].partition("/")[0]
    return int(number) if number.isdigit() else 0


def _inflated(body: bytes, wrapper: int, bound: int) -> bytes | None:
    held = bytearray()
    for _ in range(_MEMBERS):
        inflater = zlib.decompressobj(wbits=wrapper)
        try:
            held += inflater.decompress(body, bound - len(held) + 1)
        except zlib.error:
            return None
        if len(held) > bound or not inflater.eof:
            return None
        body = inflater.unused_data
        if not body:
            return bytes(held)
    return None
