"""One organization's slow questions, and everybody else meanwhile."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx
from anyio import run
from anyio.to_thread import current_default_thread_limiter
from prometheus_client import CollectorRegistry

from fakes.held_stores import HeldLogStore
from fixtures.api import PASSWORD, ApiWorld, Tenant, serving
from strata_api.app import create_app
from strata_datamodel import limits
from strata_datamodel.limits import SLOW_READS_AT_ONCE
from waiting import eventually

FLOOD = 60


@dataclass(frozen=True)
class Flooded:
    api: ApiWorld
    store: HeldLogStore
    client: httpx.Client
    pool: ThreadPoolExecutor

    def search(self, tenant: Tenant) -> httpx.Response:
        return self.client.post(f"{tenant.path}/logs/search", json={}, headers=tenant.admin)

    def flood(self, times: int) -> list[Future[httpx.Response]]:
        return [self.pool.submit(self.search, self.api.acme) for _ in range(times)]

    def at_work(self) -> bool:
        return self.store.held == SLOW_READS_AT_ONCE


@contextmanager
def flooded(api: ApiWorld, request_timeout_s: float = 30.0) -> Iterator[Flooded]:
    deps = api.app.state.deps
    store = HeldLogStore(deps.log_store, api.acme.organization_id)
    slow = replace(deps, log_store=store, registry=CollectorRegistry())
    app = create_app(slow, body_timeout_s=min(2.5, request_timeout_s), request_timeout_s=request_timeout_s)
    with serving(app) as url, httpx.Client(base_url=url, timeout=40) as client, ThreadPoolExecutor(FLOOD) as pool:
        try:
            yield Flooded(api, store, client, pool)
        finally:
            store.gate.set()
            slow.reads.close()


def test_fault_54_an_organizations_slow_questions_leave_room_for_everybody_else(api: ApiWorld) -> None:
    with flooded(api) as world:
        answers = world.flood(FLOOD)
        eventually(world.at_work)
        assert world.search(api.globex).status_code == 200
        assert world.client.get(api.acme.path, headers=api.acme.admin).status_code == 200
        login = {"email": api.globex.owner_email, "password": PASSWORD}
        assert world.client.post("/api/v1/auth/login", json=login).is_success
        assert world.client.get("/metrics").status_code == 200
        count = FLOOD - SLOW_READS_AT_ONCE
        eventually(lambda: sum(map(_is_refused, answers)) == count, 20)
        world.store.gate.set()
        assert [each.result().status_code for each in answers].count(200) == SLOW_READS_AT_ONCE
        figures = world.client.get("/metrics").text
        assert f'strata_http_refused_at_once_total{{lane="slow_reads",service="api"}} {count}.0' in figures


def test_who_waits_gets_the_place_of_who_is_done(api: ApiWorld) -> None:
    with flooded(api) as world:
        answers = world.flood(SLOW_READS_AT_ONCE + 4)
        eventually(world.at_work)
        world.store.gate.set()
        assert [each.result().status_code for each in answers] == [200] * len(answers)


def test_the_refusal_names_the_limit_and_says_when_to_come_back(api: ApiWorld) -> None:
    with flooded(api) as world:
        world.flood(SLOW_READS_AT_ONCE)
        eventually(world.at_work)
        refused = world.search(api.acme)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_at_once")
        assert refused.headers["retry-after"] == "1"
        assert "SLOW_READS_AT_ONCE" in refused.json()["hint"]


def test_a_question_that_was_given_up_keeps_its_place_until_its_work_ends(api: ApiWorld) -> None:
    with flooded(api, request_timeout_s=2.0) as world:
        given_up = world.flood(SLOW_READS_AT_ONCE)
        assert {each.result().status_code for each in given_up} == {504}
        assert world.at_work()
        assert world.search(api.acme).status_code == 429
        world.store.gate.set()
        assert eventually(lambda: world.search(api.acme).status_code == 200)


def test_there_is_a_thread_for_every_place(api: ApiWorld) -> None:
    places = (
        limits.REQUESTS_AT_ONCE_OF_ORGANIZATIONS,
        limits.REQUESTS_AT_ONCE_OF_PEOPLE,
        limits.SIGN_INS_AT_ONCE,
        limits.RECOGNITIONS_AT_ONCE,
    )

    async def threads() -> float:
        async with api.app.router.lifespan_context(api.app):
            return current_default_thread_limiter().total_tokens

    assert run(threads) > sum(places)
    assert limits.REQUESTS_AT_ONCE < limits.REQUESTS_AT_ONCE_OF_ORGANIZATIONS


def _is_refused(answer: Future[httpx.Response]) -> bool:
    return answer.done() and answer.result().status_code == 429
