"""OpenID Connect, seen from the party that relies on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Client:
    """What the provider knows us by."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class OneSignIn:
    """Secrets of one attempt, which only the browser holds between its two steps."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says, its signature checked. `email` is None unless the provider says it is verified."""

    subject: str
    email: str | None
    groups: Sequence[str]


class IdentityProviders(Protocol):
    """Reaches addresses that an organization chose, so it goes where webhooks may go and nowhere else.

    Both raise UnavailableError (code `provider_unavailable`) when the provider cannot be reached, answers nonsense, or
    is not who its address says.
    """

    def authorization_url(self, client: Client, state: str, attempt: OneSignIn) -> str:
        """Where to send the browser: code flow with PKCE."""
        ...

    def claims(self, client: Client, code: str, attempt: OneSignIn, *, group_claim: str) -> Claims:
        """Raises UnauthenticatedError (code `oidc_refused`) for a code or an ID token that does not hold: another
        issuer, audience or nonce, expired, not signed by one of the provider's published keys with an asymmetric
        algorithm."""
        ...
