"""WebAuthn: what a browser is asked for, and whether what it answers holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from strata_datamodel.ids import UserId

Answer = Mapping[str, object]
"""What `navigator.credentials` gave, as its toJSON() writes it. Anybody can send anything: nothing in it holds yet."""


@dataclass(frozen=True, slots=True)
class Site:
    """The page that asks. A passkey is bound to the host: on another one browsers do not even offer it."""

    host: str
    origin: str


@dataclass(frozen=True, slots=True)
class NewPasskey:
    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    is_backed_up: bool


@dataclass(frozen=True, slots=True)
class PasskeyUse:
    """`is_user_verified`: by fingerprint, face or PIN, which makes it two factors in one."""

    sign_count: int
    is_user_verified: bool
    is_backed_up: bool


class PasskeyCeremonies(Protocol):
    """Keeps nothing: challenges are drawn, kept and used up by the caller."""

    def registration_options(
        self, site: Site, *, user_id: UserId, email: str, challenge: bytes, known: Sequence[bytes]
    ) -> dict[str, object]: ...

    def register(self, site: Site, challenge: bytes, answer: Answer) -> NewPasskey:
        """Raises InvalidError (code `bad_passkey`)."""
        ...

    def sign_in_options(
        self, site: Site, *, challenge: bytes, allowed: Sequence[bytes], needs_verification: bool
    ) -> dict[str, object]: ...

    def credential_id(self, answer: Answer) -> bytes:
        """Raises InvalidError (code `bad_passkey`)."""
        ...

    def user_handle(self, answer: Answer) -> bytes | None:
        """The person that the authenticator says it signs for; None when it does not say."""
        ...

    def use(self, site: Site, challenge: bytes, answer: Answer, *, public_key: bytes, sign_count: int) -> PasskeyUse:
        """Raises UnauthenticatedError (code `passkey_refused`) for another challenge, site or key, without the person
        present, and for a counter that did not go on: somebody may have copied the key."""
        ...
