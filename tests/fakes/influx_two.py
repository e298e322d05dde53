"""InfluxDB 2.x as its API documents it, on top of a real InfluxDB 1.x: buckets, mappings, tokens and deletion are
played here; points and InfluxQL are the real thing."""

import json
import re
import secrets
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "token-of-the-operator"
_TEXT = r'"((?:[^"\\]|\\.)*)"'
_TERM = re.compile(rf"([a-z_]+|{_TEXT})={_TEXT}")
_EVERYTHING = ("1678-01-01T00:00:00Z", "2262-01-01T00:00:00Z")


@dataclass
class InfluxTwo:
    upstream: str
    organization: str = "acme-observability"
    organization_id: str = field(default_factory=lambda: secrets.token_hex(8))
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    mappings: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def databases(self) -> set[str]:
        return {name.partition("/")[0] for name in self.buckets}

    def forward(self, path: str, body: bytes, headers: dict[str, str], **parameters: str) -> tuple[int, bytes]:
        address = f"{self.upstream}{path}?" + urllib.parse.urlencode(parameters)
        request = urllib.request.Request(address, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read()

    def statement(self, text: str, database: str = "") -> None:
        body = urllib.parse.urlencode({"q": text, "db": database}).encode()
        for _ in range(5):
            _, answer = self.forward("/query", body, _FORM)
            if b"engine is closed" not in answer:  # a quirk of 1.x while other databases are dropped
                break
        assert b"error" not in answer, answer


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextmanager
def influx_two(upstream: str) -> Iterator[InfluxTwo]:
    played = InfluxTwo(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            asked = dict(urllib.parse.parse_qsl(url.query))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if url.path == "/ping":
                return self.reply(204)
            if self.headers.get("Authorization") != f"Token {TOKEN}":
                return self.reply(401, {"code": "unauthorized", "message": "unauthorized access"})
            route = _ROUTES.get((self.command, re.sub(r"/[0-9a-f]{16}$", "/{id}", url.path)))
            if route is None:
                return self.reply(404, {"code": "not found", "message": "path not found"})
            headers = {name: self.headers[name] for name in ("Content-Type", "Content-Encoding") if self.headers[name]}
            return self.reply(*route(played, asked | {"id": url.path.rpartition("/")[2]}, body, headers))

        do_GET = do_POST = do_PATCH = serve  # noqa: N815 - the names http.server looks for

        def reply(self, status: int, content: Any = None) -> None:
            body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("X-Influxdb-Version", "v2.7.11")
            self.send_header("X-Influxdb-Build", "OSS")
            if status != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    played.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield played
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
        for database in played.databases():
            played.statement(f'DROP DATABASE "{database}"')


def _organizations(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    if asked.get("org") != played.organization:
        return 404, {"code": "not found", "message": "organization not found"}
    return 200, {"orgs": [{"id": played.organization_id, "name": played.organization}]}


def _find_buckets(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    return 200, {"buckets": [bucket for name, bucket in played.buckets.items() if name == asked.get("name")]}


def _create_bucket(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    wanted = json.loads(body)
    if wanted["orgID"] != played.organization_id:
        return 404, {"code": "not found", "message": "organization not found"}
    if wanted["name"] in played.buckets:
        return 422, {"code": "conflict", "message": f"bucket with name {wanted['name']} already exists"}
    bucket = {
        "id": secrets.token_hex(8),
        "orgID": played.organization_id,
        "type": "user",
        "name": wanted["name"],
        "retentionRules": wanted["retentionRules"],
    }
    database, _, policy = wanted["name"].partition("/")
    seconds = wanted["retentionRules"][0]["everySeconds"] if wanted["retentionRules"] else 0
    played.statement(f'CREATE DATABASE "{database}"')
    duration = f"{seconds}s" if seconds else "INF"
    played.statement(f'CREATE RETENTION POLICY "{policy}" ON "{database}" DURATION {duration} REPLICATION 1')
    played.buckets[wanted["name"]] = bucket
    return 201, bucket


def _change_bucket(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    for bucket in played.buckets.values():
        if bucket["id"] == asked["id"]:
            bucket["retentionRules"] = json.loads(body)["retentionRules"]
            return 200, bucket
    return 404, {"code": "not found", "message": "bucket not found"}


def _find_mappings(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    found = [
        mapping
        for mapping in played.mappings
        if (mapping["database"], mapping["retention_policy"]) == (asked["db"], asked["rp"])
    ]
    return 200, {"content": found}


def _create_mapping(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    wanted = json.loads(body)
    mapping = {
        "id": secrets.token_hex(8),
        "orgID": played.organization_id,
        "bucketID": wanted["bucketID"],
        "database": wanted["database"],
        "retention_policy": wanted["retention_policy"],
        "default": bool(wanted.get("default")),
        "virtual": False,
    }
    played.mappings.append(mapping)
    return 201, mapping


def _write(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    if asked.get("org") != played.organization or asked.get("bucket") not in played.buckets:
        return 404, {"code": "not found", "message": f'bucket "{asked.get("bucket")}" not found'}
    database, _, policy = asked["bucket"].partition("/")
    status, answer = played.forward("/write", body, headers, db=database, rp=policy, precision=asked["precision"])
    if status == 204:
        return 204, None
    reason = json.loads(answer)["error"]
    if reason.startswith("partial write"):
        return 422, {"code": "unprocessable entity", "message": f"failure writing points to database: {reason}"}
    return status, {"code": "internal error", "message": reason}


def _query(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    form = dict(urllib.parse.parse_qsl(body.decode()))
    is_mapped = any((m["database"], m["retention_policy"]) == (form["db"], form["rp"]) for m in played.mappings)
    if not is_mapped and "SHOW DATABASES" not in form["q"]:
        return 200, {"results": [{"statement_id": 0, "error": f"database not found: {form['db']}"}]}
    return played.forward("/query", body, headers)


def _delete(played: InfluxTwo, asked: dict[str, str], body: bytes, headers: dict[str, str]):
    wanted = json.loads(body)
    terms = [_TERM.fullmatch(term) for term in wanted["predicate"].split(" AND ")]
    if None in terms or asked.get("bucket") not in played.buckets or not wanted["start"] <= wanted["stop"]:
        return 400, {"code": "invalid", "message": "invalid request; error parsing request json"}
    database, _, policy = asked["bucket"].partition("/")
    # Buckets share a database here, and deletions of 1.x reach into all of one: told apart as the adapter's points are.
    conditions = [f"tier = '{'' if policy == 'raw' else policy}'"]
    source = ""
    for term in terms:
        name = term[1] if term[2] is None else term[2]
        if name == "_measurement":
            source = f' FROM "{term[3]}"'
        else:
            value = re.sub(r"\\(.)", r"\1", term[3]).replace("\\", "\\\\").replace("'", "\\'")
            conditions.append(f"\"{name}\" = '{value}'")
    verb = "DROP SERIES"
    if (wanted["start"], wanted["stop"]) != _EVERYTHING:
        verb = "DELETE"
        conditions += [f"time >= '{wanted['start']}'", f"time <= '{wanted['stop']}'"]
    played.statement(f"{verb}{source} WHERE {' AND '.join(conditions)}", database)
    return 204, None


_ROUTES = {
    ("GET", "/api/v2/orgs"): _organizations,
    ("GET", "/api/v2/buckets"): _find_buckets,
    ("POST", "/api/v2/buckets"): _create_bucket,
    ("PATCH", "/api/v2/buckets/{id}"): _change_bucket,
    ("GET", "/api/v2/dbrps"): _find_mappings,
    ("POST", "/api/v2/dbrps"): _create_mapping,
    ("POST", "/api/v2/write"): _write,
    ("POST", "/query"): _query,
    ("POST", "/api/v2/delete"): _delete,
}
