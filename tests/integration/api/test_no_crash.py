"""Odd input to every operation: it may be refused, in the declared form, but it never crashes."""

import json
from uuid import uuid4

import pytest

import openapi

DOCUMENT = json.loads(openapi.document())
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]
ODD_TEXTS = ("", "%00", "%F0%9F%98%80", "a" * 3_000, "-1", "1e400", "%ED%A0%80", "..%2f..", "null", "'%22%3B--")
ODD_BODIES = (
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"-1",
    b"1e400",
    b"NaN",
    b'{"name":null,"tags":[],"scopes":"admin","query":5,"from":1e400}',
    b'{"name":"\\u0000","query":"\\u0000","measurement":"\\u0000","field":"\\ud800","aggregate":"p0"}',
    b'{"name":"\\ud800","query":"\\ud800","email":"\\ud800@x","password":"\\ud800","url":"\\ud800"}',
    b'{"name":"x","metadata":' + b'{"a":' * 200 + b"1" + b"}" * 201,
    b'{"measurement":"m","field":"f","aggregate":"sum","from":-9223372036854775809,"to":1e30}',
    b'{"measurement":"m","field":"f","aggregate":"sum","from":9223372036854,"to":-9223372036854,"step":"1ms"}',
    b'{"name":"x","scopes":["read"],"expires_at":"9999-12-31T23:59:59Z","overlap_hours":1e308}',
    b'{"name":"x","scopes":["read"],"expires_at":"0001-01-01T00:00:00+14:00"}',
)


def assert_declared(answer, operation) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
    else:
        assert str(answer.status_code) in operation["responses"]


def path_with(path: str, **values: str) -> str:
    for name in ("org", "api_key_id", "host_id", "service_id", "dependency_id", "dead_letter_id", "rule_id"):
        path = path.replace("{" + name + "}", values.get(name, "acme" if name == "org" else str(uuid4())))
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + str(uuid4()) + rest.partition("}")[2]
    return path


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_odd_paths_queries_and_headers_never_crash(shared_api, path, method, operation):
    parameters = operation.get("parameters", [])
    for text in ODD_TEXTS:
        for name in [each["name"] for each in parameters if each["in"] == "path"]:
            odd = path_with(path, **{name: text})
            answer = shared_api.client.request(method, odd, headers={**shared_api.acme.admin, "if-match": "*"})
            assert_declared(answer, operation)
        query = "&".join(f"{each['name']}={text}" for each in parameters if each["in"] == "query")
        answer = shared_api.client.request(method, f"{path_with(path)}?{query}", headers=shared_api.acme.admin)
        assert_declared(answer, operation)
        for each in [each for each in parameters if each["in"] == "query"]:
            url = f"{path_with(path)}?{each['name']}={text}"
            assert_declared(shared_api.client.request(method, url, headers=shared_api.acme.admin), operation)


@pytest.mark.parametrize(
    ("path", "method", "operation"),
    [each for each in OPERATIONS if "requestBody" in each[2]],
    ids=[each[2]["operationId"] for each in OPERATIONS if "requestBody" in each[2]],
)
def test_odd_bodies_never_crash(shared_api, path, method, operation):
    headers = {**shared_api.acme.admin, "if-match": "*", "content-type": "application/json"}
    for body in ODD_BODIES:
        answer = shared_api.client.request(method, path_with(path), content=body, headers=headers)
        assert_declared(answer, operation)


@pytest.mark.parametrize("header", ["Bearer", "Basic", "Token :", "ApiKey ////", "Bearer \xff", "x" * 9_000])
def test_odd_credentials_never_crash(shared_api, header):
    answer = shared_api.client.get("/api/v1/me", headers={"authorization": header.encode("latin-1")})
    assert answer.status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "x" * 4_000, '"', "\xff", "=;=;"])
def test_odd_cookies_never_crash(shared_api, cookie):
    answer = shared_api.client.get("/api/v1/me", headers={"cookie": f"strata_session={cookie}".encode("latin-1")})
    assert answer.status_code == 401
