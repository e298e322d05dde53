"""The text of an API key: `strata_<environment>_<key id>_<secret><checksum>`.

The prefix lets secret scanners find a leaked key; the checksum lets an edge drop junk without a look-up.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strata_datamodel.errors import InvalidError, UnauthenticatedError

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_ID_BYTES: Final = 8
_KEY_ID_LENGTH: Final = 11
_SECRET_BYTES: Final = 32
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6

_ENVIRONMENT: Final = re.compile(r"[a-z][a-z0-9]{0,15}", re.ASCII)
_TOKEN: Final = re.compile(
    rf"strata_[a-z][a-z0-9]{{0,15}}_([0-9A-Za-z]{{{_KEY_ID_LENGTH}}})"
    rf"_([0-9A-Za-z]{{{_SECRET_LENGTH}}})[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}}",
    re.ASCII,
)

DEFAULT_ENVIRONMENT: Final = "live"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """`text` is shown once and never stored."""

    text: str = field(repr=False)
    key_id: str
    secret_hash: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A well-formed token. Nothing is known yet of whether such a key exists."""

    key_id: str
    secret: str = field(repr=False)


def issue_token(
    environment: str = DEFAULT_ENVIRONMENT, randomness: Callable[[int], bytes] = secrets.token_bytes
) -> IssuedToken:
    """Raises InvalidError (code `bad_environment`)."""
    if not _ENVIRONMENT.fullmatch(environment):
        raise InvalidError(
            "a key's environment is 1 to 16 lower-case letters and digits, a letter first", code="bad_environment"
        )
    key_id = _base62(int.from_bytes(randomness(_KEY_ID_BYTES), "big"), _KEY_ID_LENGTH)
    secret = _base62(int.from_bytes(randomness(_SECRET_BYTES), "big"), _SECRET_LENGTH)
    body = f"strata_{environment}_{key_id}_{secret}"
    return IssuedToken(text=body + _checksum(body), key_id=key_id, secret_hash=hash_secret(secret))


def parse_token(text: str) -> ParsedToken:
    """Raises UnauthenticatedError (code `bad_token`) for whatever this platform never issued."""
    match = _TOKEN.fullmatch(text)
    if match is None or text[-_CHECKSUM_LENGTH:] != _checksum(text[:-_CHECKSUM_LENGTH]):
        raise refused_token()
    return ParsedToken(key_id=match[1], secret=match[2])


def hash_secret(secret: str) -> bytes:
    """A fast hash is enough: the secret has 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret(secret: str, secret_hash: bytes) -> bool:
    return hmac.compare_digest(hash_secret(secret), secret_hash)


def refused_token() -> UnauthenticatedError:
    """One answer for malformed, unknown and wrong, so that nobody learns which key ids exist."""
    return UnauthenticatedError(
        "the API key is not valid",
        code="bad_token",
        hint="check that the whole key was copied; `strata keys create` makes a new one",
    )


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
