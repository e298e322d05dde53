"""OpenID Connect: discovery, the code's exchange, and the ID token's signature and claims."""

import base64
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeGuard
from urllib.parse import quote

from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from authlib.oidc.discovery import get_well_known_url  # type: ignore[import-untyped]
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, Key, import_key

from strata_core.ports.clock import Clock
from strata_core.ports.identity_provider import Claims, Client, OneSignIn
from strata_datamodel.errors import UnauthenticatedError, UnavailableError
from strata_stores.channels.guarded_fetch import Fetched, FetchError, GuardedFetch

# Asymmetric only: with HS256 the published key would be the secret, and `none` is no signature at all.
_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"})
_KEY_KINDS: Final = ("RSA", "EC", "OKP")
_LEEWAY_S: Final = 60
_KEPT_S: Final = 300.0
_REFETCH_S: Final = 10.0
_PROVIDERS: Final = 256
_GROUPS: Final = 1_000
_SUBJECT_LENGTH: Final = 255
# What the libraries raise for tokens and keys that somebody made up.
_MALFORMED: Final = (
    JoseError,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class _Provider:
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    takes_basic: bool
    keys: tuple[dict[str, Any], ...]
    fetched_at_s: float


class OidcProviders:
    """Keeps what providers publish for minutes; a key that is not among theirs is looked for anew, though not more
    often than every `refetch_s`: anybody can send an ID token with a key id of their own making."""

    def __init__(self, clock: Clock, fetch: GuardedFetch, *, refetch_s: float = _REFETCH_S) -> None:
        self._clock = clock
        self._fetch = fetch
        self._refetch_s = refetch_s
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Provider] = OrderedDict()

    def authorization_url(self, client: Client, state: str, attempt: OneSignIn) -> str:
        provider = self._provider(client.issuer, at_most_s=_KEPT_S)
        return str(
            prepare_grant_uri(
                provider.authorization_endpoint,
                client.client_id,
                "code",
                redirect_uri=client.redirect_uri,
                scope="openid email profile",
                state=state,
                nonce=attempt.nonce,
                code_challenge=create_s256_code_challenge(attempt.verifier),
                code_challenge_method="S256",
            )
        )

    def claims(self, client: Client, code: str, attempt: OneSignIn, *, group_claim: str) -> Claims:
        provider = self._provider(client.issuer, at_most_s=_KEPT_S)
        token = self._id_token(provider, client, code, attempt)
        payload = self._verified(token, client, attempt)
        subject, email = payload.get("sub"), payload.get("email")
        if not isinstance(subject, str) or not 1 <= len(subject) <= _SUBJECT_LENGTH:
            raise _refused()
        if not (subject.isascii() and subject.isprintable()):  # the database keeps neither NUL nor half a surrogate
            raise _refused()
        is_verified = payload.get("email_verified") is True and isinstance(email, str)
        groups = payload.get(group_claim)
        listed = groups if isinstance(groups, list) else [groups]
        return Claims(
            subject, email if is_verified else None, [each for each in listed[:_GROUPS] if isinstance(each, str)]
        )

    def _id_token(self, provider: _Provider, client: Client, code: str, attempt: OneSignIn) -> str:
        form = {"redirect_uri": client.redirect_uri, "code": code, "code_verifier": attempt.verifier}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if provider.takes_basic:
            # Encoded first, as RFC 6749 section 2.3.1 has it: Authlib's own client leaves that out.
            pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        body = prepare_token_request("authorization_code", **form).encode()
        answer = self._asked(lambda: self._fetch.post(provider.token_endpoint, headers, body))
        if answer.status in {400, 401, 403}:
            raise _refused()
        token = answer.document.get("id_token")
        if answer.status != 200 or not isinstance(token, str):
            raise _unavailable()
        return token

    def _verified(self, token: str, client: Client, attempt: OneSignIn) -> dict[str, Any]:
        """The signature by joserfc, the claims by Authlib, the time by the clock that everything else goes by."""
        try:
            read = jwt.decode(token, lambda of: self._key(client.issuer, of), algorithms=_ALGORITHMS)
            claims = CodeIDToken(
                read.claims,
                read.header,
                options={"iss": {"value": client.issuer}, "aud": {"value": client.client_id}},
                params={"nonce": attempt.nonce, "client_id": client.client_id},
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=_LEEWAY_S)
        except _MALFORMED:
            raise _refused() from None
        return dict(claims)

    def _key(self, issuer: str, signed: GuestProtocol) -> Key:
        key_id = signed.headers().get("kid")
        for at_most_s in (_KEPT_S, self._refetch_s):
            keys = self._provider(issuer, at_most_s=at_most_s).keys
            fitting = [key for key in keys if key_id is None or key.get("kid") == key_id]
            if len(fitting) == 1:
                return import_key(fitting[0])
        raise _refused()

    def _provider(self, issuer: str, *, at_most_s: float) -> _Provider:
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = self._known.get(issuer)
        if known is not None and now_s - known.fetched_at_s < at_most_s:
            return known
        found = self._asked_provider(issuer, now_s)
        with self._lock:
            self._known[issuer] = found
            self._known.move_to_end(issuer)
            while len(self._known) > _PROVIDERS:
                self._known.popitem(last=False)
        return found

    def _asked_provider(self, issuer: str, now_s: float) -> _Provider:
        document = self._published(get_well_known_url(issuer, external=True))
        if document.get("issuer") != issuer:  # else one provider could speak for another
            raise _unavailable()
        authorization, token, jwks = (
            str(document.get(name) or "") for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        )
        schemes = ("https://", "http://") if self._fetch.allows_plain else ("https://",)
        if not all(each.startswith(schemes) and _is_plain(each) for each in (authorization, token, jwks)):
            raise _unavailable()
        if "#" in authorization:  # what we add would end up in the fragment
            raise _unavailable()
        methods = document.get("token_endpoint_auth_methods_supported")
        keys = self._published(jwks).get("keys")
        usable = [
            key
            for key in (keys if isinstance(keys, list) else [])
            if isinstance(key, dict) and key.get("kty") in _KEY_KINDS and key.get("use", "sig") == "sig"
        ]
        takes_basic = not isinstance(methods, list) or "client_secret_basic" in methods
        return _Provider(authorization, token, jwks, takes_basic, tuple(usable), now_s)

    def _published(self, url: str) -> dict[str, object]:
        answer = self._asked(lambda: self._fetch.get(url))
        if answer.status != 200:
            raise _unavailable()
        return answer.document

    def _asked(self, ask: Callable[[], Fetched]) -> Fetched:
        try:
            return ask()
        except FetchError:
            raise _unavailable() from None


def _is_plain(value: object) -> TypeGuard[str]:
    """Printable ASCII without blanks: it fits into a header as it is."""
    return isinstance(value, str) and value != "" and all("!" <= sign <= "~" for sign in value)


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError(
        "the identity provider's answer does not hold", code="oidc_refused", hint="begin signing in again"
    )


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "the identity provider cannot be reached, or does not answer as one",
        code="provider_unavailable",
        hint="check the issuer in the organization's settings",
        retry_after_s=10,
    )
