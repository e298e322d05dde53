"""An OpenID provider on loopback: discovery, keys that rotate, a token endpoint that checks what it is sent. A test
tells it what to say, lies included."""

import base64
import hashlib
import http.server
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm


@dataclass
class SigningKey:
    key_id: str
    private: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def published(self) -> dict[str, Any]:
        document = json.loads(RSAAlgorithm.to_jwk(self.private.public_key()))
        return {**document, "kid": self.key_id, "use": "sig", "alg": "RS256"}

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class IdentityProvider(http.server.ThreadingHTTPServer):
    daemon_threads = True
    client_id = "strata"
    client_secret = "s3cret/with:signs"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys = [SigningKey("first")]
        self.token: str | None = None
        """Handed out in place of an honest one."""
        self.claims: dict[str, Any] = {}
        self.discovery: dict[str, Any] = {}
        self.published: list[Any] | None = None
        """In place of the public halves of `keys`."""
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.discovery,
        }

    def authorize(self, url: str) -> tuple[str, str]:
        """What the person does there: state and code, as they come back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == self.client_id
        code = secrets.token_urlsafe()
        self.codes[code] = query
        return query["state"], code

    def honest_claims(self, nonce: str) -> dict[str, Any]:
        now = int(datetime.now(UTC).timestamp())
        return {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "subject-1",
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "email_verified": True,
        }

    def id_token(self, nonce: str) -> str:
        key = self.keys[-1]
        claims = {name: value for name, value in (self.honest_claims(nonce) | self.claims).items() if value is not None}
        return jwt.encode(claims, key.private, algorithm="RS256", headers={"kid": key.key_id})

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        query = self.codes.pop(form.get("code", ""), None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            query is None
            or [unquote(part) for part in pair.split(":")] != [self.client_id, self.client_secret]
            or challenge.decode() != query["code_challenge"]
            or form["redirect_uri"] != query["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"token_type": "Bearer", "id_token": self.token or self.id_token(query["nonce"])}

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = 30
    server: IdentityProvider

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/.well-known/openid-configuration":
            self._answer(200, self.server.configuration())
        elif self.path == "/keys":
            honest = [key.published() for key in self.server.keys]
            self._answer(200, {"keys": honest if self.server.published is None else self.server.published})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._answer(*self.server.exchange(form, self.headers.get("authorization", "")))

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    try:
        yield provider
    finally:
        provider.close()
