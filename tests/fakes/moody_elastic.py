"""A real Elasticsearch behind a front that turns some of it away, as a cluster under pressure does."""

import json
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "date", "server", "host"}
_BUSY = {"type": "es_rejected_execution_exception", "reason": "queue is full"}


@dataclass
class Mood:
    """`busy` is the share of items that are answered 429 and not stored; `bad` tells which documents are answered 400;
    `away` is the share of whole requests that are answered 503. Of `dies_after` bulk requests that were stored, the
    answer never comes, and `at_death` is called first. Whoever starts `upstream` anew sets its URL."""

    seed: int
    busy: float = 0.0
    away: float = 0.0
    bad: str = ""
    dies_after: int = 0
    at_death: Callable[[], None] | None = None
    upstream: str = ""
    url: str = ""
    given: dict[str, int] = field(default_factory=lambda: {"429": 0, "400": 0, "503": 0, "died": 0})
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Front(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            self.answer_in_mood(body)
        except urllib.error.URLError:  # nobody is there
            self.close_connection = True

    def answer_in_mood(self, body: bytes) -> None:
        with self.mood.lock:
            if not self.path.split("?")[0].endswith("/_bulk"):
                self.reply(*self.forward(body))
            elif self.server.dice.random() < self.mood.away:
                self.mood.given["503"] += 1
                self.reply(503, json.dumps({"error": {"type": "unavailable", "reason": "later"}}).encode(), {})
            else:
                self.bulk(body)

    def bulk(self, body: bytes) -> None:
        actions = _actions(body)
        told: list[dict[str, Any] | None] = []
        for _, document in actions:
            if self.mood.bad and self.mood.bad.encode() in document:
                self.mood.given["400"] += 1
                reason = {"type": "document_parsing_exception", "reason": "never fits"}
                told.append({"status": 400, "error": reason})
            elif self.server.dice.random() < self.mood.busy:
                self.mood.given["429"] += 1
                told.append({"status": 429, "error": _BUSY})
            else:
                told.append(None)
        kept = b"".join(
            action + b"\n" + document + b"\n"
            for (action, document), no in zip(actions, told, strict=True)
            if no is None
        )
        items: Iterator[Any] = iter(())
        headers: dict[str, str] = {"content-type": "application/json", "x-elastic-product": "Elasticsearch"}
        if kept:
            _, stored, headers = self.forward(kept)
            items = iter(json.loads(stored)["items"])
        if self.mood.dies_after:
            self.mood.dies_after -= 1
            self.mood.given["died"] += 1
            if self.mood.at_death is not None:
                self.mood.at_death()
            self.close_connection = True
            self.connection.close()
            return
        answers = [next(items) if no is None else {"create": no} for no in told]
        answer = {"took": 1, "errors": any(told), "items": answers}
        self.reply(200, json.dumps(answer).encode(), headers)

    def forward(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        headers["accept-encoding"] = "identity"
        request = urllib.request.Request(
            self.mood.upstream + self.path, data=body or None, headers=headers, method=self.command
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as found:
                return found.status, found.read(), _lower(found.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), _lower(error.headers)

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        kept = {name: value for name, value in headers.items() if name not in _HOP}
        for name, value in {"x-elastic-product": "Elasticsearch", **kept}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815 - the names http.server looks for

    def log_message(self, *arguments: object) -> None:
        """Quiet."""

    @property
    def mood(self) -> Mood:
        return self.server.mood


class _Server(ThreadingHTTPServer):
    def __init__(self, mood: Mood) -> None:
        super().__init__(("127.0.0.1", 0), _Front)
        self.mood = mood
        self.dice = random.Random(mood.seed)


@contextmanager
def moody_elastic(upstream: str, mood: Mood) -> Iterator[Mood]:
    mood.upstream = upstream
    server = _Server(mood)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    mood.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield mood
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _actions(body: bytes) -> list[tuple[bytes, bytes]]:
    """Of a bulk request of creations: action and document by turns."""
    lines = body.splitlines()
    return list(zip(lines[::2], lines[1::2], strict=True))


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
