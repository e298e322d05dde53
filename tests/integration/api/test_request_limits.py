"""Buckets in front of the API: who is limited, who is not, and what they are told."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import delete

from fixtures.api import SETTER_UP, api_world, serving
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_core.quotas.commands import set_quota
from strata_core.quotas.rules import Quota
from strata_datamodel.errors import DeniedError, InvalidError
from strata_datamodel.ids import uuid7
from strata_datamodel.tables.quotas import quotas
from strata_stores.clock import SystemClock
from strata_stores.local_rate_limiter import LocalRateLimiter
from strata_stores.redis.rate_limiter import RedisRateLimiter


@pytest.fixture(params=["valkey", "redis down"])
def world(request, database, tmp_path, embedded_valkey):
    """Real buckets: shared ones, and those of the process when there is no Redis."""
    url = embedded_valkey.url() if request.param == "valkey" else "redis://127.0.0.1:1"
    limiter = RedisRateLimiter(url, SystemClock(), connect_timeout_s=1.0, timeout_s=2.0)
    with api_world(database, tmp_path, limiter=limiter) as made:
        yield made
    limiter.close()


def allow(tenant, quota, value):
    ctx = Context(tenant.organization_id, SETTER_UP, PERMISSIONS, "fixture")
    with tenant.system_units.organization(tenant.organization_id) as uow:
        set_quota(ctx, uow, quota, value)


def statuses(world, tenant, times, headers=None):
    return [world.client.get(tenant.path, headers=headers or tenant.admin).status_code for _ in range(times)]


def test_a_flood_of_one_organization_is_refused_and_the_other_does_not_notice(world):
    allow(world.acme, Quota.API_REQUESTS, 2)
    flood = statuses(world, world.acme, 20)
    assert flood[:4] == [200] * 4
    assert flood.count(429) >= 12
    assert statuses(world, world.globex, 20) == [200] * 20


def test_one_key_used_up_leaves_the_others_of_its_organization(world):
    allow(world.acme, Quota.API_REQUESTS_OF_A_KEY, 1)
    other = world.acme.key_with("read")
    assert 429 in statuses(world, world.acme, 6)
    assert statuses(world, world.acme, 1, other) == [200]


def test_the_refusal_says_what_when_and_how_much(world):
    allow(world.acme, Quota.API_REQUESTS, 1)
    answers = [world.client.get(world.acme.path, headers=world.acme.admin) for _ in range(3)]
    first, _, refused = answers
    name = '"api_requests_per_second"'
    assert first.headers["ratelimit-policy"] == f"{name};q=2;w=2"
    assert first.headers["ratelimit"] == f"{name};r=1;t=1"
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit-policy"] == f"{name};q=2;w=2"
    assert refused.headers["ratelimit"] == f"{name};r=0;t=2"
    assert refused.json()["code"] == "rate_limited"
    assert "api_requests_per_second" in refused.json()["hint"]


def test_a_changed_quota_holds_within_five_seconds(world):
    assert statuses(world, world.acme, 8) == [200] * 8
    allow(world.acme, Quota.API_REQUESTS, 1)
    world.clock.advance(timedelta(seconds=5.1))
    assert 429 in statuses(world, world.acme, 8)
    allow(world.acme, Quota.API_REQUESTS, None)
    world.clock.advance(timedelta(seconds=5.1))
    world.client.get(world.acme.path, headers=world.acme.admin)
    assert statuses(world, world.acme, 8)[1:] == [200] * 7


def test_members_see_their_quotas_and_what_is_left(world):
    allow(world.acme, Quota.API_REQUESTS, 1_000)
    statuses(world, world.acme, 3)
    shown = {
        each["name"]: each
        for each in world.client.get(f"{world.acme.path}/quotas", headers=world.acme.key_with("read")).json()["items"]
    }
    assert set(shown) == {quota.value for quota in Quota}
    requests = shown["api_requests_per_second"]
    assert (requests["value"], requests["default"], requests["burst"]) == (1_000, 5_000, 2_000)
    assert 0 < requests["available"] <= 2_000
    theirs = world.client.get(f"{world.globex.path}/quotas", headers=world.globex.admin).json()["items"]
    assert next(each for each in theirs if each["name"] == "api_requests_per_second")["value"] == 5_000


def test_only_operators_set_quotas_and_it_is_audited(api):
    member = Actor(ActorKind.USER, uuid7(1_800_000_000_000), "ada@acme.test")
    ctx = Context(api.acme.organization_id, member, PERMISSIONS, "a request")
    with pytest.raises(DeniedError), api.acme.system_units.organization(api.acme.organization_id) as uow:
        set_quota(ctx, uow, Quota.API_REQUESTS, 1)
    allow(api.acme, Quota.API_REQUESTS, 7)
    with pytest.raises(InvalidError):
        allow(api.acme, Quota.API_REQUESTS, 0)
    entries = api.client.get(f"{api.acme.path}/audit-log?action=quota.changed", headers=api.acme.admin).json()["items"]
    assert [(entry["target_id"], entry["after"]) for entry in entries] == [("api_requests_per_second", {"value": 7})]


def test_the_application_itself_may_not_set_quotas(api):
    units = api.app.state.deps.units
    with pytest.raises(DeniedError), units.organization(api.acme.organization_id) as uow:
        uow.execute(delete(quotas))


def test_one_address_is_limited_whatever_it_presents_and_probes_are_not(database, tmp_path):
    with api_world(database, tmp_path, limiter=LocalRateLimiter(SystemClock()), address_rate=2) as world:
        found = [world.client.get("/api/v1/me").status_code for _ in range(12)]
        assert found[:4] == [401] * 4
        assert 429 in found
        assert [world.client.get("/healthz").status_code for _ in range(12)] == [200] * 12


@pytest.mark.parametrize(
    ("trusted", "claim", "status"),
    [
        ((), "192.0.2.7", 403),  # nobody is trusted: the header is nobody's word
        (("127.0.0.1/32",), "192.0.2.7", 200),
        (("127.0.0.1/32",), "198.51.100.1", 403),
        (("127.0.0.1/32",), "192.0.2.7, 198.51.100.1", 403),  # what the caller wrote stands before what the proxy saw
        (("127.0.0.1/32", "198.51.100.0/24"), "192.0.2.7, 198.51.100.1", 200),
        (("127.0.0.1/32",), "192.0.2.7, nonsense", 403),
        (("10.0.0.0/8",), "192.0.2.7", 403),  # another proxy than the one that speaks
    ],
)
def test_a_key_for_a_network_cannot_be_used_from_elsewhere_by_claiming_to_be_there(api, trusted, claim, status):
    draft = {"name": "from the office", "scopes": ["read"], "allowed_networks": ["192.0.2.0/24"]}
    made = api.client.post(f"{api.acme.path}/api-keys", json=draft, headers=api.acme.admin)
    assert made.json()["allowed_networks"] == ["192.0.2.0/24"]
    key = {"authorization": f"Bearer {made.json()['token']}", "x-forwarded-for": claim}
    with serving(api.app, trusted_proxies=trusted) as url:
        for path in (api.acme.path, "/api/v1/me"):
            answer = httpx.get(url + path, headers=key)
            assert answer.status_code == status, answer.text
            assert status == 200 or answer.json()["code"] == "address_not_allowed"


def test_a_rotated_key_keeps_its_networks(api):
    draft = {"name": "office", "scopes": ["read"], "allowed_networks": ["192.0.2.7"]}
    made = api.client.post(f"{api.acme.path}/api-keys", json=draft, headers=api.acme.admin).json()
    new = api.client.post(f"{api.acme.path}/api-keys/{made['id']}/rotate", json={}, headers=api.acme.admin).json()
    assert new["allowed_networks"] == ["192.0.2.7/32"]


def test_a_network_that_is_none_is_named(api):
    draft = {"name": "office", "scopes": ["read"], "allowed_networks": ["10.0.0.0/8", "10.0.0.1/8"]}
    refused = api.client.post(f"{api.acme.path}/api-keys", json=draft, headers=api.acme.admin)
    assert refused.status_code == 422
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/allowed_networks/1"]
