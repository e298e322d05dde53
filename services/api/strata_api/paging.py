"""Cursors: where a list was left, sealed so that they work for the same list of the same organization only."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar

import orjson
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from strata_api.schemas import Page
from strata_core.ports.list_reader import ListedRow
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX

T = TypeVar("T")
S = TypeVar("S")
K = TypeVar("K")
L = TypeVar("L")
Position = Sequence[str | int | None]

_SEAL_BYTES: Final = 16
_CURSOR_LENGTH: Final = 2_048


class PageQuery(BaseModel):
    limit: int = Query(PAGE_SIZE_DEFAULT, ge=1, le=PAGE_SIZE_MAX, description="At most so many items.")
    cursor: str | None = Query(None, max_length=_CURSOR_LENGTH, description="`next_cursor` of the page before.")


@dataclass(frozen=True, slots=True)
class CursorPlace:
    """The list a cursor belongs to. Other filters make another list."""

    organization_id: OrganizationId
    route: str
    filters: Mapping[str, object] = field(default_factory=dict)

    def text(self) -> bytes:
        filters = {name: value for name, value in self.filters.items() if value is not None}
        return json.dumps([str(self.organization_id), self.route, filters], sort_keys=True, default=str).encode()


@dataclass(frozen=True, slots=True)
class Cursors:
    key: bytes = field(repr=False)

    def seal(self, place: CursorPlace, position: Position) -> str:
        content = json.dumps(list(position), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._seal(place, content) + content).rstrip(b"=").decode()

    def open(self, place: CursorPlace, cursor: str) -> list[str | int | None]:
        """Raises InvalidError (code `bad_cursor`)."""
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _bad_cursor() from None
        content = sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(sealed[:_SEAL_BYTES], self._seal(place, content)):
            raise _bad_cursor()
        position: list[str | int | None] = json.loads(content)
        return position

    def _seal(self, place: CursorPlace, content: bytes) -> bytes:
        text = place.text()
        message = len(text).to_bytes(4, "big") + text + content
        return hmac.digest(self.key, message, hashlib.sha256)[:_SEAL_BYTES]


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of one list, from the cursor that came to the cursor that goes."""

    cursors: Cursors
    place: CursorPlace
    query: PageQuery
    request: Request
    response: Response = field(default_factory=Response)

    @property
    def fetch(self) -> int:
        """How many rows to ask for: one more than are shown tells whether there is a next page."""
        return self.query.limit + 1

    def after(self, read: Callable[[str], K]) -> K | None:
        """The key that the page before ended with, None on the first page."""
        return None if self.query.cursor is None else read(str(self._position(1)[0]))

    def after_pair(self, first: Callable[[str], K], second: Callable[[str], L]) -> tuple[K, L] | None:
        if self.query.cursor is None:
            return None
        one, two = self._position(2)
        return first(str(one)), second(str(two))

    def key(self, length: int) -> Position | None:
        """What the page before ended with, as it was written; None on the first page."""
        return None if self.query.cursor is None else self._position(length)

    def written(self, rows: Sequence[ListedRow]) -> Response:
        """The page of rows that are JSON already, each followed by its key."""
        kept = rows[: self.query.limit]
        answer = Response(media_type="application/json")
        cursor = None
        if len(rows) > self.query.limit:
            cursor = self._next([part.decode() for part in kept[-1][1:]], answer)
        answer.body = b'{"items":[%b],"next_cursor":%b}' % (b",".join(row[0] for row in kept), orjson.dumps(cursor))
        answer.headers["content-length"] = str(len(answer.body))
        return answer

    def page(self, rows: Sequence[T], shown: Callable[[T], S], key: Callable[[T], Sequence[object]]) -> Page[S]:
        """`key` gives what `after` will get back. Sets the Link header (RFC 8288) for clients that follow links."""
        kept = rows[: self.query.limit]
        cursor = None
        if len(rows) > self.query.limit:
            cursor = self._next([str(part) for part in key(kept[-1])], self.response)
        return Page(items=[shown(row) for row in kept], next_cursor=cursor)

    def lead_on(self, cursor: str, answer: Response) -> None:
        """From this request, to the page that the cursor stands for."""
        url = self.request.url.include_query_params(cursor=cursor)
        answer.headers["link"] = f'<{url.path}?{url.query}>; rel="next"'

    def _next(self, position: Position, answer: Response) -> str:
        cursor = self.cursors.seal(self.place, position)
        self.lead_on(cursor, answer)
        return cursor

    def _position(self, length: int) -> Position:
        position = self.cursors.open(self.place, self.query.cursor or "")
        if len(position) != length:
            raise _bad_cursor()
        return position


@dataclass(frozen=True, slots=True)
class Paging:
    """Comes to a handler as a dependency; `of` makes it the page of a certain list."""

    query: PageQuery
    request: Request
    response: Response

    def of(
        self,
        cursors: Cursors,
        organization_id: OrganizationId,
        name: str,
        filters: Mapping[str, object] | None = None,
    ) -> Listing:
        place = CursorPlace(organization_id, name, filters or {})
        return Listing(cursors, place, self.query, self.request, self.response)


async def _paging(query: Annotated[PageQuery, Query()], request: Request, response: Response) -> Paging:
    return Paging(query, request, response)


Paged = Annotated[Paging, Depends(_paging)]


def _bad_cursor() -> InvalidError:
    return InvalidError(
        "this cursor does not belong to this list",
        code="bad_cursor",
        hint="start again without a cursor, and keep the filters the same from page to page",
    )
