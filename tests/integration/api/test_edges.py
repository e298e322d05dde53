"""What happens before and around any route: bodies, headers, ids, crashes."""

import gzip
import json
import socket
import zlib
from urllib.parse import urlsplit

import httpx
import pytest

from fixtures.api import PASSWORD, api_world, bearer, serving
from openapi import bare_deps
from strata_api.app import create_app
from strata_core.access.tokens import issue_token
from strata_datamodel.health import StoreHealth
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.null.rate_limiter import NullRateLimiter
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from waiting import eventually

LOGIN = "/api/v1/auth/login"
LIMIT = 2_000


@pytest.fixture(scope="module")
def health():
    return []


@pytest.fixture(scope="module")
def bare(health):
    """An API without any store: whatever gets past the edge crashes."""
    deps = bare_deps(rate_limiter=NullRateLimiter(), health_checks=lambda: health, cursor_key=b"k" * 32)
    app = create_app(deps, body_limit_bytes=LIMIT, body_timeout_s=0.4)
    with serving(app) as url, httpx.Client(base_url=url) as client:
        yield client


def talk(client, *parts: bytes) -> bytes:
    """Sends bytes as they are and returns all that comes until the server closes."""
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return received


def head(*lines: str) -> bytes:
    return "\r\n".join((f"POST {LOGIN} HTTP/1.1", "Host: x", "Content-Type: application/json", *lines, "", "")).encode()


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(bare):
    answer = talk(bare, head("Content-Length: 99999999", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"body_too_large" in answer


def test_a_chunked_body_is_counted_as_it_comes(bare):
    chunk = b"400\r\n" + b"x" * 0x400 + b"\r\n"
    answer = talk(bare, head("Transfer-Encoding: chunked"), chunk, chunk, chunk)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


def test_a_body_that_stops_coming_times_out(bare):
    answer = talk(bare, head("Content-Length: 100"), b'{"email"')
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"body_timeout" in answer


def test_a_client_that_leaves_in_the_middle_harms_nobody(bare):
    address = urlsplit(str(bare.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head("Content-Length: 100") + b"{")
    assert bare.get("/healthz").status_code == 200


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_read(bare, coding, pack):
    answer = bare.post(
        LOGIN,
        content=pack(json.dumps({"email": 5}).encode()),
        headers={"content-type": "application/json", "content-encoding": coding},
    )
    assert answer.status_code == 422
    assert {each["pointer"] for each in answer.json()["errors"]} == {"/email", "/password"}


@pytest.mark.parametrize(
    ("body", "coding", "status", "code"),
    [
        (gzip.compress(b"0" * 1_000_000), "gzip", 413, "body_too_large"),
        (b"not gzip", "gzip", 400, "bad_compression"),
        (gzip.compress(b"{}")[:-5], "gzip", 400, "bad_compression"),
        (b"{}", "br", 415, "unsupported_encoding"),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip", 415, "unsupported_encoding"),
        (b'{"email":', None, 400, "malformed_body"),
        (b"[" * 1_900, None, 400, "malformed_body"),
        (b"\xff\xfe", None, 400, "malformed_body"),
        (b"", None, 422, "validation_failed"),
        (b"[]", None, 422, "validation_failed"),
    ],
    ids=["bomb", "not-gzip", "cut", "unknown", "nested", "half", "deep", "not-utf8", "empty", "list"],
)
def test_a_body_that_cannot_be_used_is_refused_with_its_reason(bare, body, coding, status, code):
    headers = {"content-type": "application/json"} | ({"content-encoding": coding} if coding else {})
    answer = bare.post(LOGIN, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_form_is_not_json_so_other_sites_cannot_post_one(bare):
    answer = bare.post(LOGIN, content=b'{"email":"a@b","password":"x"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 422


def test_a_refused_password_is_not_sent_back(bare):
    answer = bare.post(LOGIN, json={"email": "a@b", "password": {"secret": "hunter2"}})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


def test_every_answer_has_the_headers_that_bind_browsers(bare):
    for answer in (bare.get("/healthz"), bare.get("/nowhere"), bare.get("/api/v1/me"), bare.post(LOGIN)):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in answer.headers


def test_a_sane_request_id_is_kept_and_another_is_replaced(bare):
    assert bare.get("/healthz", headers={"x-request-id": "trace-1234.5_6"}).headers["x-request-id"] == "trace-1234.5_6"
    for strange in ("short", "x" * 129, "has space inside", "semi;colon-here"):
        given = bare.get("/healthz", headers={"x-request-id": strange}).headers["x-request-id"]
        assert given != strange
        assert len(given) == 32


def test_a_crash_is_a_problem_without_internals(bare):
    answer = bare.get("/api/v1/me", headers=bearer(issue_token().text))
    assert answer.status_code == 500
    problem = answer.json()
    assert problem["code"] == "internal_error"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "NoneType" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert 'route="/api/v1/me",service="api",status="500"' in bare.get("/metrics").text


def test_a_store_that_is_down_is_told_with_a_time_to_come_back():
    clock = SystemClock()
    engine = open_engine("postgresql://nobody@127.0.0.1:1/nowhere", role=None)
    units = PostgresUnitsOfWork(engine, clock, Breaker("postgres", clock))
    deps = bare_deps(rate_limiter=NullRateLimiter(), units=units, clock=clock)
    with serving(create_app(deps)) as url:
        answer = httpx.get(f"{url}/api/v1/me", headers=bearer(issue_token().text))
        cookie = httpx.get(f"{url}/api/v1/me", headers={"cookie": "strata_session=x"})
    engine.dispose()
    for refused in (answer, cookie):
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert "127.0.0.1" not in refused.text


def test_behind_a_proxy_that_ends_https_the_cookie_is_bound_to_the_host(database, tmp_path):
    with api_world(database, tmp_path, public_url="https://strata.example.com") as world:
        login = {"email": world.acme.owner_email, "password": PASSWORD}
        answer = world.client.post(LOGIN, json=login, headers={"origin": "https://strata.example.com"})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-strata_session=")
    assert "; Secure" in cookie
    assert "Domain" not in cookie


def test_unknown_paths_and_wrong_methods_are_problems(bare):
    missing, wrong = bare.get("/nowhere"), bare.delete("/healthz")
    assert (missing.status_code, missing.json()["code"]) == (404, "route_not_found")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "GET")
    assert {missing.headers["content-type"], wrong.headers["content-type"]} == {"application/problem+json"}


def test_readiness_names_each_store_and_its_reason(bare, health):
    health[:] = [StoreHealth("postgres", is_ready=True, detail="answers", version="18.1", latency_ms=0.4)]
    ready = bare.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    health.append(StoreHealth("metrics", is_ready=False, detail="refuses connections"))
    eventually(lambda: bare.get("/readyz").status_code == 503, 10)  # it is looked at once a second
    not_ready = bare.get("/readyz")
    assert [(each["store"], each["is_ready"], each["detail"]) for each in not_ready.json()["stores"]] == [
        ("postgres", True, "answers"),
        ("metrics", False, "refuses connections"),
    ]
    assert bare.get("/healthz").status_code == 200


def test_figures_are_by_route_and_not_by_path(bare):
    for number in range(3):
        bare.get(f"/api/v1/orgs/company-{number}")
    figures = bare.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain")
    assert 'route="/api/v1/orgs/{org}"' in figures.text
    assert "company-1" not in figures.text
