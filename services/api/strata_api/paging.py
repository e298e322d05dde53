"""Cursors: where a list was left, sealed so that they work for the same list of the same organization only."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar

from fastapi import Query, Request, Response
from pydantic import BaseModel

from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX

T = TypeVar("T")
Position = Sequence[str | int | None]

_SEAL_BYTES: Final = 16
_CURSOR_LENGTH: Final = 2_048


class PageQuery(BaseModel):
    limit: int = Query(PAGE_SIZE_DEFAULT, ge=1, le=PAGE_SIZE_MAX, description="At most so many items.")
    cursor: str | None = Query(None, max_length=_CURSOR_LENGTH, description="`next_cursor` of the page before.")


Paging = Annotated[PageQuery, Query()]


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


def cut_page(
    rows: Sequence[T], limit: int, position_of: Callable[[T], Position]
) -> tuple[Sequence[T], Position | None]:
    """`rows` were asked for with one more than the limit: whether it came tells whether there is a next page."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], position_of(rows[limit - 1])


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """RFC 8288, for clients that follow links."""
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["link"] = f'<{url.path}?{url.query}>; rel="next"'


def _bad_cursor() -> InvalidError:
    return InvalidError(
        "this cursor does not belong to this list",
        code="bad_cursor",
        hint="start again without a cursor, and keep the filters the same from page to page",
    )
