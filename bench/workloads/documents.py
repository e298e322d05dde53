"""JSON log lines in `_bulk` bodies."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_ACTION: Final = '{"create":{"_index":"app"}}'
_LEVELS: Final = ("info", "info", "info", "info", "info", "debug", "warn", "error")
_SERVICES: Final = ("checkout", "cart", "search", "login", "billing", "mail", "stock", "gateway")
_SENTENCES: Final = (
    "GET /api/v1/orders/{n} answered {s} after {m} ms for customer {c}",
    "connection to upstream {w} refused, attempt {s} of 5, next try in {m} ms",
    "user {c} signed in from 10.0.{s}.{m} with session {n}",
    "cache miss for key orders:{n}:{w}, loaded from the database in {m} ms",
    "payment {n} of customer {c} was declined by the {w} provider, code {s}",
    "job {w} finished, {n} rows in {m} ms, {s} warnings",
)
_WORDS: Final = tuple(
    a + b for a in ("alpha", "delta", "omega", "sigma", "kappa") for b in ("one", "two", "six", "ten")
)


@dataclass(frozen=True, slots=True)
class DocumentWorkload:
    """Each document has a number in `seq` that no other has."""

    start: datetime
    connections: int = 8
    documents_per_body: int = 5_000
    bodies_per_connection: int = 1_000

    @property
    def path(self) -> str:
        return "/_bulk"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Content-Type": "application/x-ndjson"}

    def body(self, connection: int, number: int) -> bytes:
        return "".join(f"{_ACTION}\n{line}\n" for line in self.lines(connection, number)).encode()

    def is_accepted(self, status: int, answer: bytes) -> bool:
        return status == 200 and b'"errors":false' in answer[:200]

    def sequences(self, connection: int, number: int) -> range:
        first = (connection * self.bodies_per_connection + number) * self.documents_per_body
        return range(first, first + self.documents_per_body)

    def lines(self, connection: int, number: int) -> Iterator[str]:
        begin = self.start + timedelta(seconds=number)
        step = timedelta(seconds=1) / self.documents_per_body
        for place, seq in enumerate(self.sequences(connection, number)):
            yield json.dumps(self._document(seq, begin + place * step), separators=(",", ":"))

    def _document(self, seq: int, at: datetime) -> dict[str, object]:
        mixed = seq * 2_654_435_761 & 0xFFFFFFFF
        mixed ^= mixed >> 13
        message = _SENTENCES[mixed % len(_SENTENCES)].format(
            n=mixed % 1_000_003, s=mixed % 200, m=mixed % 251, c=mixed % 10_007, w=_WORDS[mixed % len(_WORDS)]
        )
        return {
            "@timestamp": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": _LEVELS[mixed % len(_LEVELS)],
            "host": f"web-{mixed % 97:02d}.eu-west-1.example.com",
            "service": _SERVICES[mixed % len(_SERVICES)],
            "trace_id": f"{mixed:08x}{seq:08x}{mixed ^ 0x5BD1E995:08x}{seq ^ 0xFFFF:08x}",
            "seq": seq,
            "message": message,
        }
