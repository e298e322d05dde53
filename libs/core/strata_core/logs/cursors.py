"""Where a page of a search ended, in a form that only we can have made, and only for this search."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

import msgspec

from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.ids import OrganizationId

_MAC_BYTES: Final = 16
_TEXT_LENGTH_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class PageEnd:
    """The time range is carried along: one that was said as "until now" must not move between pages."""

    timestamp_ns: int
    event_id: str
    from_ns: int
    to_ns: int


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(PageEnd).decode


def signed_cursor(end: PageEnd, key: bytes, organization_id: OrganizationId, search: bytes) -> str:
    """`search` is whatever must be the same on the next page."""
    content = _encode(end)
    return base64.urlsafe_b64encode(_mac(content, key, organization_id, search) + content).decode().rstrip("=")


def verified_cursor(cursor: str, key: bytes, organization_id: OrganizationId, search: bytes) -> PageEnd:
    """Raises InvalidError (code `bad_cursor`)."""
    if len(cursor) <= _TEXT_LENGTH_MAX:
        try:
            signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            mac, content = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
            if hmac.compare_digest(mac, _mac(content, key, organization_id, search)):
                return _decode(content)
        except ValueError:
            pass
    raise InvalidError(
        "this cursor is not one of this search",
        code="bad_cursor",
        hint="send next_cursor as it was given, with the same query, time range and order; or begin without one",
        problems=[Problem("/cursor", "not a cursor of this organization and search")],
    )


def _mac(content: bytes, key: bytes, organization_id: OrganizationId, search: bytes) -> bytes:
    bound_to = organization_id.bytes + hashlib.sha256(search).digest()
    return hmac.new(key, b"logs cursor 1" + bound_to + content, hashlib.sha256).digest()[:_MAC_BYTES]
