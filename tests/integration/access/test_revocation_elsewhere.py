"""Two processes on one database and one Redis: what one revokes, the other refuses at once, not in five seconds."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import redis
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from fixtures.api import ApiWorld, bearer
from strata_api.app import create_app as create_api
from strata_cli.serving import Listener, server_config
from strata_core.ports.live_bus import LiveBus
from strata_datamodel.spooling import Signal
from strata_ingest.app import create_app as create_ingest
from strata_ingest.deps import IngestDeps
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.null.rate_limiter import NullRateLimiter
from strata_stores.redis.live_bus import RedisLiveBus
from strata_stores.spool.file_spool import FileSpool
from waiting import eventually

AT_ONCE_S = 3.0  # what is remembered lasts five
CHANNEL = "00000000-0000-0000-0000-000000000000:live:access"
DEAD_REDIS = "redis://127.0.0.1:1"


@contextmanager
def another_process(app: FastAPI) -> Iterator[httpx.Client]:
    server = uvicorn.Server(server_config(Listener("another", app, "127.0.0.1", 0)))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started, what="the socket")
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)


def another_api(api: ApiWorld, bus: LiveBus) -> FastAPI:
    deps = api.app.state.deps
    return create_api(replace(deps, live_bus=bus, registry=CollectorRegistry()))


@pytest.fixture
def bus(embedded_valkey: EmbeddedValkey, api: ApiWorld) -> Iterator[RedisLiveBus]:
    made = RedisLiveBus(embedded_valkey.url(), api.clock)
    yield made
    made.close()


@pytest.fixture
def wait_for_listeners(embedded_valkey: EmbeddedValkey) -> Iterator[Callable[[], None]]:
    with redis.Redis.from_url(embedded_valkey.url()) as client:
        yield lambda: eventually(lambda: client.pubsub_numsub(CHANNEL)[0][1] == 2, what="two listeners")


def a_key(api: ApiWorld, client: httpx.Client, scopes: list[str]) -> tuple[str, str]:
    made = client.post(f"{api.acme.path}/api-keys", json={"name": "k", "scopes": scopes}, headers=api.acme.admin)
    assert made.status_code == 201, made.text
    return made.json()["id"], made.json()["token"]


def revoke(api: ApiWorld, client: httpx.Client, key_id: str) -> None:
    assert client.delete(f"{api.acme.path}/api-keys/{key_id}", headers=api.acme.admin).status_code == 204


def test_a_key_revoked_in_one_process_is_refused_by_the_other_at_once(
    api: ApiWorld, bus: RedisLiveBus, wait_for_listeners: Callable[[], None]
) -> None:
    with another_process(another_api(api, bus)) as one, another_process(another_api(api, bus)) as other:
        wait_for_listeners()
        key_id, token = a_key(api, one, ["read"])
        is_let_in(api, other, token)
        revoke(api, one, key_id)
        eventually(lambda: other.get(api.acme.path, headers=bearer(token)).status_code == 401, AT_ONCE_S)
        assert other.get(api.globex.path, headers=api.globex.admin).status_code == 200


def test_a_member_removed_in_one_process_is_out_of_the_other_at_once(
    api: ApiWorld, bus: RedisLiveBus, wait_for_listeners: Callable[[], None]
) -> None:
    with another_process(another_api(api, bus)) as one, another_process(another_api(api, bus)) as other:
        wait_for_listeners()
        with api.as_member(api.acme, "developer") as member:
            cookies = dict(member.cookies)
        other.cookies.update(cookies)
        assert other.get(f"{api.acme.path}/hosts").status_code == 200
        members = one.get(f"{api.acme.path}/members", headers=api.acme.admin).json()["items"]
        gone = next(item for item in members if item["role"] == "developer")
        headers = {**api.acme.admin, "if-match": "*"}
        answer = one.delete(f"{api.acme.path}/members/{gone['id']}", headers=headers)
        assert answer.status_code == 204, answer.text
        eventually(lambda: other.get(f"{api.acme.path}/hosts").status_code in {403, 404}, AT_ONCE_S)


def test_without_redis_it_takes_five_seconds_at_most(api: ApiWorld) -> None:
    dead = RedisLiveBus(DEAD_REDIS, api.clock)
    try:
        with another_process(another_api(api, dead)) as one, another_process(another_api(api, dead)) as other:
            key_id, token = a_key(api, one, ["read"])
            is_let_in(api, other, token)
            revoke(api, one, key_id)
            assert one.get(api.acme.path, headers=bearer(token)).status_code == 401
            api.clock.advance(timedelta(seconds=5))
            assert other.get(api.acme.path, headers=bearer(token)).status_code == 401
    finally:
        dead.close()


def test_ingest_refuses_a_key_as_soon_as_the_api_revoked_it(
    api: ApiWorld, bus: RedisLiveBus, wait_for_listeners: Callable[[], None], tmp_path: Path
) -> None:
    deps = api.app.state.deps
    spools = {signal: FileSpool(tmp_path / signal.value, api.clock, max_bytes=1 << 20) for signal in Signal}
    ingest = create_ingest(
        IngestDeps(deps.units, spools, api.clock, CollectorRegistry(), NullRateLimiter(), live_bus=bus)
    )

    def write(agent: httpx.Client, token: str) -> int:
        return agent.post("/api/v2/write", content="m v=1", headers=bearer(token)).status_code

    try:
        with another_process(another_api(api, bus)) as one, another_process(ingest) as agent:
            wait_for_listeners()
            key_id, token = a_key(api, one, ["ingest"])
            assert write(agent, token) == 204
            revoke(api, one, key_id)
            eventually(lambda: write(agent, token) == 401, AT_ONCE_S)
            assert write(agent, api.globex.ingest_key) == 204
    finally:
        for spool in spools.values():
            spool.close()


def is_let_in(api: ApiWorld, client: httpx.Client, token: str) -> None:
    assert client.get(api.acme.path, headers=bearer(token)).status_code == 200
