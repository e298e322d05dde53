"""Codes of authenticator apps: RFC 6238 with what all apps know, SHA-1, 6 digits, 30 s."""

import base64
import hashlib
import hmac
import secrets
import struct
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

SECRET_BYTES: Final = 20
_STEP_S: Final = 30
_DIGITS: Final = 6
_WINDOW: Final = (0, -1, 1)  # phones' clocks are a little off, and people type


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """As people type it where they cannot scan."""
    return base64.b32encode(secret).decode("ascii")


def enrolment_url(secret: bytes, email: str, issuer: str = "Strata") -> str:
    """What the QR code says."""
    query = urlencode(
        {
            "secret": secret_text(secret),
            "issuer": issuer,
            "algorithm": "SHA1",
            "digits": _DIGITS,
            "period": _STEP_S,
        }
    )
    return f"otpauth://totp/{quote(issuer)}:{quote(email)}?{query}"


def step_of(at: datetime) -> int:
    return int(at.timestamp()) // _STEP_S


def code_at(secret: bytes, step: int) -> str:
    digest = hmac.digest(secret, struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 0xF
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFF_FFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def matching_step(secret: bytes, code: str, at: datetime, last_used_step: int | None) -> int | None:
    """The step whose code this is; None when it is none of now, or not newer than the one used last."""
    typed = code.encode("utf-8", "surrogatepass")
    current = step_of(at)
    found = None
    for distance in _WINDOW:
        step = current + distance
        is_match = hmac.compare_digest(code_at(secret, step).encode(), typed)
        if is_match and found is None and (last_used_step is None or step > last_used_step):
            found = step
    return found


def looks_like_code(text: str) -> bool:
    return len(text) == _DIGITS and text.isascii() and text.isdigit()
