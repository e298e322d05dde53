"""The many ways in which agents present one and the same key."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

_HEADER_LENGTH: Final = 4_096


def presented_token(authorization: str | None, query: Mapping[str, str]) -> str | None:
    """The key a request presents, None when it presents none that can be read.

    Accepts `Bearer T`, `Token T`, `Token u:T`, Basic with T as the password, `ApiKey b64(id:T)`, and `?u=…&p=T`.
    """
    if authorization is not None:
        return _from_header(authorization)
    return query.get("p") or None


def _from_header(authorization: str) -> str | None:
    if len(authorization) > _HEADER_LENGTH:
        return None
    scheme, _, rest = authorization.strip().partition(" ")
    value = rest.strip()
    match scheme.lower():
        case "bearer":
            return value or None
        case "token":
            return value.rpartition(":")[2] or None
        case "basic":
            return _after_colon(value)
        case "apikey":
            # A bare key is not base64 (it has underscores), so it cannot be mistaken for a pair.
            return _after_colon(value) or (value if value.startswith("strata_") else None)
        case _:
            return None


def _after_colon(encoded: str) -> str | None:
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(":")[2] or None
