"""Strata as its users have it: processes on ports, spoken to over HTTP."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from waiting import eventually

STRATA = Path(sys.executable).with_name("strata")
PASSWORD = "correct horse battery staple"


def free_port() -> int:
    """Below those that the system gives to whoever asks for any: a client's connection of some other test may have one
    of those before the server binds it."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def bare_environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STRATA_")}
    return {**kept, "STRATA_OUTBOUND_ALLOW": "127.0.0.0/8", "STRATA_LOG_FORMAT": "json", **extra}


class Process:
    """One `strata` process; its log is kept for the failure message."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.arguments = arguments
        self.environment = bare_environment(environment)
        self._log_path = log
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log_path.open("ab") as log:
            self._popen = subprocess.Popen(
                [str(STRATA), *self.arguments], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    def is_alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def log(self) -> str:
        return self._log_path.read_text("utf-8", "replace")

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 40) -> int:
        """The exit code."""
        if self._popen is None:
            return 0
        if self._popen.poll() is None:
            self._popen.send_signal(number)
        return self._popen.wait(timeout_s)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def wait_until_ready(self, port: int, timeout_s: float = 60) -> None:
        def ready() -> bool:
            assert self.is_alive(), f"{self.arguments} ended early:\n{self.log()[-4000:]}"
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10, trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        try:
            eventually(ready, timeout_s, what=f"/readyz of {self.arguments}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-4000:]}") from error


@dataclass(frozen=True)
class Tenant:
    slug: str
    organization_id: str
    admin: httpx.Client
    ingest: httpx.Client
    ingest_key: str

    def query(self, **question) -> dict:
        answer = self.admin.post(
            f"/api/v1/orgs/{self.slug}/metrics/query", json=question, headers={"cache-control": "no-cache"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def search(self, **question) -> dict:
        answer = self.admin.post(f"/api/v1/orgs/{self.slug}/logs/search", json=question)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def items(self, path: str) -> list[dict]:
        answer = self.admin.get(f"/api/v1/orgs/{self.slug}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    def close(self) -> None:
        self.admin.close()
        self.ingest.close()


def command(arguments: list[str], environment: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(STRATA), *arguments],
        env=bare_environment(environment),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def make_tenant(slug: str, environment: Mapping[str, str], api_port: int, ingest_port: int) -> Tenant:
    arguments = ["init", "--org", slug, "--email", f"admin@{slug}.test", "--password-stdin", "--json"]
    made = command(arguments, environment, f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr + made.stdout
    document = json.loads(made.stdout)
    keys = document["keys"]
    return Tenant(
        slug=slug,
        organization_id=document["org"]["id"],
        admin=_client(api_port, f"Bearer {keys['admin']}"),
        ingest=_client(ingest_port, f"Token {keys['ingest']}"),
        ingest_key=keys["ingest"],
    )


def _client(port: int, authorization: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"authorization": authorization}, timeout=30, trust_env=False
    )
