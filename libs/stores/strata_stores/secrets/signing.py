"""Ed25519 over the heads of audit chains."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from strata_datamodel.errors import InvalidError

SEED_BYTES: Final = 32


class Ed25519AnchorSigner:
    """Signs with the first seed; trusts the keys of all seeds, and those named in `trusted`."""

    def __init__(self, seeds: Sequence[bytes], trusted: Iterable[str] = ()) -> None:
        if not seeds or any(len(seed) != SEED_BYTES for seed in seeds):
            raise InvalidError(f"a signing key has {SEED_BYTES} bytes", code="bad_signing_key")
        keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]
        self._key = keys[0]
        self._trusted = {_name(key.public_key()): key.public_key() for key in keys}
        self._public_key = next(iter(self._trusted))
        for text in trusted:
            self._trusted[text] = _public_key(text)

    @classmethod
    def from_base64(cls, text: str, trusted: Iterable[str] = ()) -> Self:
        """One seed, or several with commas between, the current one first."""
        return cls([_decoded(part.strip()) for part in text.split(",")], trusted)

    @property
    def public_key(self) -> str:
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def is_signed(self, public_key: str, message: bytes, signature: bytes) -> bool:
        key = self._trusted.get(public_key)
        if key is None:
            return False
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def _name(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes_raw()).decode("ascii")


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(_decoded(text))
    except ValueError:
        raise InvalidError(f"a public key has {SEED_BYTES} bytes", code="bad_signing_key") from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise InvalidError("a signing key must be base64", code="bad_signing_key") from None
