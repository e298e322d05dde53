"""Signs heads of audit chains with a key that is not in the database."""

from typing import Protocol


class AnchorSigner(Protocol):
    """Ed25519. Keys are named by their public halves, in base64: nothing secret is in a name."""

    @property
    def public_key(self) -> str:
        """Of the key that signs now."""
        ...

    def sign(self, message: bytes) -> bytes: ...

    def is_signed(self, public_key: str, message: bytes, signature: bytes) -> bool:
        """False as well for a key that is not trusted, whatever it signed."""
        ...
