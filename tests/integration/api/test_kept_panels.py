"""The short way of a panel that is held: it looks as the long way does, and lets nobody in whom that would not."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from factories.point_batches import SECOND, batch_of, point
from fixtures.api import PASSWORD, ApiWorld, serving
from strata_api.app import create_app
from strata_core.caching.figures import CacheFigures, Outcome
from strata_core.ports.rate_limiter import Bucket, RateLimiter, Taken
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.local_rate_limiter import LocalRateLimiter
from strata_stores.redis.cache import RedisCache

PATH = "/api/v1/orgs/acme/metrics/query"
QUESTION = {"measurement": "cpu", "field": "usage", "aggregate": "sum", "from": "now-1h"}
OF_ITS_OWN = {"x-request-id", "date", "age", "cache-status", "ratelimit"}


class CountingLimiter(LocalRateLimiter):
    refusals = 0

    def take_at_once(self, bucket: Bucket) -> Taken | None:
        taken = super().take_at_once(bucket)
        self.refusals += taken is not None and not taken.is_allowed
        return taken


class Panels:
    def __init__(self, world: ApiWorld, client: httpx.Client, figures: CacheFigures) -> None:
        self.world, self.client, self.figures = world, client, figures

    def ask(self, **changes: object) -> httpx.Response:
        sent = {"headers": self.world.acme.admin, "json": QUESTION, **changes}
        return self.client.post(PATH, **sent)  # type: ignore[arg-type]

    def shortly(self) -> int:
        return self.figures.answers().get(("aggregations", Outcome.MEMORY), 0)

    def held(self) -> None:
        """So that the next one who asks goes the short way."""
        self.ask(headers={**self.world.acme.admin, "cache-control": "no-cache"}).raise_for_status()


@pytest.fixture(scope="module")
def panels(shared_api: ApiWorld, embedded_valkey: EmbeddedValkey) -> Iterator[Panels]:
    yield from opened(shared_api, embedded_valkey, LocalRateLimiter(shared_api.clock))


def opened(world: ApiWorld, server: EmbeddedValkey, limiter: RateLimiter, rate: int = 1_000) -> Iterator[Panels]:
    at_ns = world.clock.now_ns() - 60 * SECOND
    for tenant, value in ((world.acme, 1.0), (world.globex, 1000.0)):
        world.app.state.deps.metric_store.write(batch_of(tenant.organization_id, point(at_ns, value, host="h")))
    with ExitStack() as stack:
        cache = RedisCache(server.url(), world.clock, connect_timeout_s=1.0, timeout_s=2.0)
        stack.callback(cache.close)
        own = replace(
            world.app.state.deps,
            cache=cache,
            rate_limiter=limiter,
            address_requests_per_second=rate,
            registry=CollectorRegistry(),
        )
        stack.callback(own.reads.close)
        client = stack.enter_context(httpx.Client(base_url=stack.enter_context(serving(create_app(own)))))
        yield Panels(world, client, own.answers.figures)


def test_both_ways_answer_with_the_same_bytes_and_headers(panels: Panels) -> None:
    long = panels.ask(headers={**panels.world.acme.admin, "cache-control": "no-cache"})
    before = panels.shortly()
    short = panels.ask(headers={**panels.world.acme.admin, "x-request-id": "my-own-request"})
    assert panels.shortly() == before + 1
    assert short.content == long.content
    assert short.headers.keys() == long.headers.keys()
    different = {name for name in short.headers if short.headers[name] != long.headers[name]}
    assert different <= OF_ITS_OWN
    assert short.headers["x-request-id"] == "my-own-request"
    assert short.headers["cache-status"] == "strata; hit"
    assert int(short.headers["ratelimit"].partition("r=")[2].partition(";")[0]) > 0


def test_the_short_way_is_counted_and_logged_as_a_read(panels: Panels, capfd: pytest.CaptureFixture[str]) -> None:
    deps = panels.world.app.state.deps
    panels.held()
    before = panels.shortly()
    short = panels.ask(headers={**panels.world.acme.admin, "x-request-id": "a-read-to-be-found"})
    assert (short.status_code, panels.shortly()) == (200, before + 1)
    figures = panels.client.get("/metrics").text
    assert re.search(
        r'strata_http_requests_total\{[^}]*route="/api/v1/orgs/\{org\}/metrics/query",[^}]*status="200"', figures
    )
    assert '"a-read-to-be-found"' in capfd.readouterr().out
    deps.reads.flush()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": {}}, 401),
        ({"headers": {"authorization": "Bearer nonsense"}}, 401),
        ({"content": b"{}", "json": None}, 422),
        ({"json": {**QUESTION, "aggregate": "nonsense"}}, 422),
    ],
)
def test_who_may_not_and_what_is_wrong_gets_the_long_ways_answer(
    panels: Panels, changes: dict[str, object], status: int
) -> None:
    panels.held()
    before = panels.shortly()
    for _ in range(2):
        assert panels.ask(**changes).status_code == status
    assert panels.shortly() == before


def test_the_same_words_to_another_organization_are_another_question(panels: Panels) -> None:
    globex = panels.world.globex
    for _ in range(3):
        panels.held()
        theirs = panels.client.post("/api/v1/orgs/globex/metrics/query", json=QUESTION, headers=globex.admin)
        assert theirs.json()["series"][0]["points"][0][1] == 1000.0
        assert panels.ask().json()["series"][0]["points"][0][1] == 1.0
    panels.held()
    crossed = panels.client.post("/api/v1/orgs/globex/metrics/query", json=QUESTION, headers=panels.world.acme.admin)
    assert crossed.status_code == 404


def test_a_key_without_the_permission_sees_nothing_that_is_held(panels: Panels) -> None:
    key = panels.world.acme.key_with("hosts:read")
    for _ in range(2):
        panels.held()
        assert panels.ask(headers=key).status_code == 403


def test_a_session_used_by_another_sites_page_sees_nothing_that_is_held(panels: Panels) -> None:
    acme = panels.world.acme
    with httpx.Client(base_url=panels.client.base_url) as browser:
        login = {"email": acme.owner_email, "password": PASSWORD}
        signed_in = browser.post("/api/v1/auth/login", json=login)
        if signed_in.status_code == 401:
            pytest.fail(signed_in.text)
        browser.post(PATH, json=QUESTION, headers={"cache-control": "no-cache"}).raise_for_status()
        before = panels.shortly()
        assert browser.post(PATH, json=QUESTION).status_code == 200
        assert panels.shortly() == before + 1
        foreign = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}
        assert browser.post(PATH, json=QUESTION, headers=foreign).status_code == 403


def test_an_answer_that_is_old_is_asked_for_anew(panels: Panels) -> None:
    panels.held()
    panels.world.clock.advance(timedelta(seconds=61))
    assert panels.ask().headers["cache-status"] == "strata; fwd=miss"


def test_who_asks_too_often_is_refused_whatever_is_held(shared_api: ApiWorld, embedded_valkey: EmbeddedValkey) -> None:
    limiter = CountingLimiter(shared_api.clock)
    for panels in opened(shared_api, embedded_valkey, limiter, rate=10):
        panels.held()
        answers = [panels.ask() for _ in range(300)]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert panels.shortly() > 10
        assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
        assert limiter.refusals == [answer.status_code for answer in answers].count(429)  # once a request
