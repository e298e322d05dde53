"""OpenID Connect: discovery, the code's exchange, and the ID token's signature and claims."""

import base64
import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeGuard
from urllib.parse import quote, urlencode

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt import PyJWK, PyJWTError

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
    PyJWTError,
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
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=")
        query = urlencode(
            {
                "response_type": "code",
                "client_id": client.client_id,
                "redirect_uri": client.redirect_uri,
                "scope": "openid email profile",
                "state": state,
                "nonce": attempt.nonce,
                "code_challenge": challenge.decode(),
                "code_challenge_method": "S256",
            }
        )
        return f"{provider.authorization_endpoint}{'&' if '?' in provider.authorization_endpoint else '?'}{query}"

    def claims(self, client: Client, code: str, attempt: OneSignIn, *, group_claim: str) -> Claims:
        provider = self._provider(client.issuer, at_most_s=_KEPT_S)
        token = self._id_token(provider, client, code, attempt)
        payload = self._verified(token, client)
        nonce, subject, email = payload.get("nonce"), payload.get("sub"), payload.get("email")
        if not _is_plain(nonce) or not hmac.compare_digest(nonce, attempt.nonce):
            raise _refused()
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
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if provider.takes_basic:
            pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        answer = self._asked(lambda: self._fetch.post(provider.token_endpoint, headers, urlencode(form).encode()))
        if answer.status in {400, 401, 403}:
            raise _refused()
        token = answer.document.get("id_token")
        if answer.status != 200 or not isinstance(token, str):
            raise _unavailable()
        return token

    def _verified(self, token: str, client: Client) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in _ALGORITHMS:
                raise _refused()
            payload: dict[str, Any] = jwt.decode(
                token,
                key=self._key(client.issuer, header.get("kid"), algorithm),
                algorithms=[algorithm],
                audience=client.client_id,
                issuer=client.issuer,
                # Times are compared below, with the clock that everything else goes by.
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except _MALFORMED:
            raise _refused() from None
        self._check_times(payload)
        audience = payload["aud"]
        names_party = (isinstance(audience, list) and len(audience) > 1) or "azp" in payload
        if names_party and payload.get("azp") != client.client_id:
            raise _refused()
        return payload

    def _check_times(self, payload: dict[str, Any]) -> None:
        now = self._clock.now().timestamp()
        times = [payload["exp"], payload["iat"], payload.get("nbf", 0)]
        if any(isinstance(each, bool) or not isinstance(each, int | float) for each in times):
            raise _refused()
        ends, issued, begins = times
        if not (now < ends + _LEEWAY_S and issued <= now + _LEEWAY_S and begins <= now + _LEEWAY_S):
            raise _refused()

    def _key(self, issuer: str, key_id: object, algorithm: str) -> PyJWK:
        for at_most_s in (_KEPT_S, self._refetch_s):
            keys = self._provider(issuer, at_most_s=at_most_s).keys
            fitting = [key for key in keys if key_id is None or key.get("kid") == key_id]
            if len(fitting) == 1:
                return PyJWK(fitting[0], algorithm=algorithm)
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
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        document = self._published(url)
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
