"""Secrets are planted in a running product, it is used, misused and hurt, and then everything it left is searched."""

import base64
import gzip
import secrets
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from fixtures.relational import Database
from scenario.processes import PASSWORD, command, free_port
from scenario.up import Up
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scenario-embedded"), pytest.mark.timeout(300)]


@dataclass
class Secrets:
    """What must be found nowhere, by what it is."""

    known: dict[str, str] = field(default_factory=dict)

    def plant(self, name: str) -> str:
        return self.keep(name, secrets.token_hex(20))

    def keep(self, name: str, value: str) -> str:
        assert len(value) >= 8
        self.known[name] = value
        return value

    def found_in(self, content: bytes) -> set[str]:
        """As it is, in hexadecimal as PostgreSQL shows bytes, and decoded where it is a code of bytes."""
        return {name for name, value in self.known.items() if any(form in content for form in _forms(value))}


def _forms(value: str) -> list[bytes]:
    text = value.encode()
    forms = [text, text.hex().encode(), base64.b64encode(text)]
    if value.endswith("="):
        raw = base64.b64decode(value)
        forms += [raw, raw.hex().encode()]
    return forms


@pytest.fixture
def traces() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", received
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def valkey(embedded_valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(embedded_valkey.url()) as client:
        yield client


@pytest.fixture
def planted() -> Secrets:
    return Secrets()


@pytest.fixture
def running(
    planted: Secrets, traces, valkey, embedded_valkey, empty_database: Database, data_dir: Path, tmp_path: Path
):
    """On a PostgreSQL and a Valkey by URLs with passwords; whoever connects is let in by any."""
    up = Up(data_dir, tmp_path / "up.log")
    database_password, redis_password = planted.plant("password of PostgreSQL"), planted.plant("password of Redis")
    valkey.execute_command("ACL", "SETUSER", "planted", "on", f">{redis_password}", "~*", "&*", "+@all")
    wrapping_key = planted.keep("wrapping key", base64.b64encode(secrets.token_bytes(32)).decode())
    up.process.environment |= {
        "STRATA_RELATIONAL_URL": with_password(empty_database.admin_url, database_password),
        "STRATA_REDIS_URL": embedded_valkey.url().replace("://", f"://planted:{redis_password}@", 1),
        "STRATA_WRAPPING_KEY": wrapping_key,
        "STRATA_SMTP_URL": f"smtp://mail:{planted.plant('password of the mail server')}@127.0.0.1:{free_port()}",
        "STRATA_TRACES_ENDPOINT": traces[0],
        "STRATA_LOG_LEVEL": "debug",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    up.environment = up.process.environment
    up.start()
    yield up
    if up.process.is_alive():
        up.process.stop()
    valkey.execute_command("ACL", "DELUSER", "planted")


def with_password(url: str, password: str) -> str:
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}://{user}:{password}@{place}" if at else f"{url}{'&' if '?' in url else '?'}password={password}"


def test_no_planted_secret_is_found_anywhere(running, planted, traces, valkey, empty_database, data_dir, tmp_path):
    answers = use_and_misuse(running, planted)
    hurt(running, empty_database, answers)
    crashed = a_process_that_cannot_start(running, tmp_path)
    eventually(lambda: any(b"/hosts" in each for each in traces[1]), 20, what="the spans")
    places = {
        "error bodies": b"\n".join(answers),
        "command lines": command_lines(running.process.pid),
        "tables": tables(empty_database),
        "Redis": redis_content(valkey),
        "the log of a process that could not start": crashed,
    }
    assert running.process.stop() == 0
    places |= {
        "log": running.process.log().encode(),
        "traces": b"\n".join(traces[1]),
        "files": b"\n".join(path.read_bytes() for path in sorted(data_dir.rglob("*")) if path.is_file()),
    }
    assert {place: found for place, content in places.items() if (found := planted.found_in(content))} == {}
    assert_searched(places, planted)


def assert_searched(places: dict[str, bytes], planted: Secrets) -> None:
    """That each place was really looked at: it holds what it should hold."""
    expected = {
        "error bodies": b"request_id",
        "command lines": b"strata",
        "tables": b"webhook.create",
        "Redis": b":",
        "the log of a process that could not start": b"postgres",
        "log": b"request_answered",
        "traces": b"store postgres",
        "files": b"",
    }
    assert set(places) == set(expected)
    for place, content in expected.items():
        assert content in places[place], place
    assert len(planted.known) >= 16


def use_and_misuse(up: Up, planted: Secrets) -> list[bytes]:
    """The bodies of all refusals."""
    refusals: list[bytes] = []

    def keep_refusal(answer: httpx.Response) -> None:
        if answer.status_code >= 400:
            refusals.append(answer.read())

    planted.keep("password", PASSWORD)
    tenant = up.tenant("acme")
    planted.keep("ingest key", tenant.ingest_key)
    planted.keep("admin key", tenant.admin.headers["authorization"].removeprefix("Bearer "))
    path = f"/api/v1/orgs/{tenant.slug}"
    with httpx.Client(base_url=tenant.admin.base_url, trust_env=False, timeout=30) as person:
        for client in (person, tenant.admin, tenant.ingest):
            client.event_hooks["response"].append(keep_refusal)
        wrong = planted.plant("wrong password")
        person.post("/api/v1/auth/login", json={"email": "admin@acme.test", "password": wrong})
        person.post("/api/v1/auth/login", json={"email": "admin@acme.test", "password": {"nested": wrong}})
        person.post("/api/v1/auth/login", content=f'{{"password": "{wrong}", broken')
        signed_in = person.post("/api/v1/auth/login", json={"email": "admin@acme.test", "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        planted.keep("session", person.cookies["strata_session"])
        seed = person.post("/api/v1/me/totp")
        assert seed.status_code == 201, seed.text
        planted.keep("TOTP seed", seed.json()["secret"])
        planted.keep("TOTP seed's bytes", base64.b32decode(seed.json()["secret"]).hex())
        person.post("/api/v1/me/totp/confirm", json={"code": planted.keep("wrong code", "73519846")})
        changed = planted.plant("new password")
        assert (
            person.post("/api/v1/me/password", json={"current_password": PASSWORD, "password": changed}).status_code
            == 204
        )
        planted.keep("session after the change", person.cookies["strata_session"])
        person.post("/api/v1/auth/password-reset", json={"email": "admin@acme.test"})
        person.post("/api/v1/auth/password-reset/confirm", json={"token": planted.plant("link"), "password": wrong})
        once = {"idempotency-key": "the-same"}
        made = tenant.admin.post(f"{path}/api-keys", json={"name": "k", "scopes": ["read"]}, headers=once).json()
        planted.keep("made key", made["token"])
        hook = {"name": "pager", "url": f"http://127.0.0.1:{free_port()}/hook"}
        secret = planted.keep("webhook secret", tenant.admin.post(f"{path}/webhooks", json=hook).json()["secret"])
        planted.keep("webhook secret's bytes", base64.b64decode(secret.removeprefix("whsec_")).hex())
        tenant.admin.post(f"{path}/webhooks", json={**hook, "url": "no url"})
        tenant.items("hosts")
        broken = planted.plant("half a key")
        person.get("/api/v1/me", headers={"authorization": f"Bearer strata_live_{broken}"})
        person.get("/api/v1/me", params={"p": broken, "token": broken, "api_key": broken})
        tenant.ingest.post("/api/v2/write", content="m,host=web1 value=1")
        tenant.ingest.post("/api/v2/write", content="this is not a point")
        tenant.ingest.post("/write", params={"u": "x", "p": broken}, content="m value=1", headers={"authorization": ""})
        tenant.ingest.post("/write", content="m value=1", headers={"authorization": f"Basic {broken}"})
    tenant.close()
    return refusals


def hurt(up: Up, database: Database, answers: list[bytes]) -> None:
    """Every connection to the database is cut while there is work."""
    with httpx.Client(base_url=f"http://127.0.0.1:{up.api_port}", trust_env=False, timeout=30) as client:
        for _ in range(3):
            database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            answer = client.post("/api/v1/auth/login", json={"email": "admin@acme.test", "password": PASSWORD})
            answers.append(answer.content)


def a_process_that_cannot_start(up: Up, folder: Path) -> bytes:
    """Its PostgreSQL is not there, and its configuration is refused."""
    url = up.environment["STRATA_RELATIONAL_URL"]
    password = next(
        part for part in url.replace("?", ":").replace("@", ":").replace("=", ":").split(":") if len(part) == 40
    )
    away = f"postgresql://postgres:{password}@127.0.0.1:{free_port()}/strata"
    gone = command(["doctor"], {**up.environment, "STRATA_RELATIONAL_URL": away, "STRATA_DATA_DIR": str(folder)})
    bad = command(["api"], {**up.environment, "STRATA_RELATIONAL_URL": f"mysql://x:{password}@127.0.0.1/x"})
    assert bad.returncode != 0
    return (gone.stdout + gone.stderr + bad.stdout + bad.stderr).encode()


def command_lines(pid: int) -> bytes:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return b"\n".join(Path(f"/proc/{each.pid}/cmdline").read_bytes() for each in family if each.is_running())


def tables(database: Database) -> bytes:
    names = database.rows(
        "SELECT format('%%I.%%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    return "\n".join(
        str(row["content"])
        for name in names
        for row in database.rows(f"SELECT t::text AS content FROM {name['name']} t")
    ).encode()


def redis_content(client: redis.Redis) -> bytes:
    readers = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    return b"\n".join(part for key in client.scan_iter() for part in (key, *flat(readers[client.type(key)](key))))


def flat(value: object) -> Iterator[bytes]:
    """Every piece of a reply, and unpacked where it was packed."""
    match value:
        case bytes():
            yield value
            try:
                yield zlib.decompress(value)
            except zlib.error:
                return
        case dict():
            yield from flat([*value.keys(), *value.values()])
        case list() | tuple() | set():
            for each in value:
                yield from flat(each)
