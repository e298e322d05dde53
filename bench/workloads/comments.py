"""Large bodies with nothing in them: one comment line. What they cost is HTTP and memory alone."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommentWorkload:
    connections: int = 8
    body_bytes: int = 517_000

    @property
    def path(self) -> str:
        return "/api/v2/write"

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    def body(self, connection: int, number: int) -> bytes:
        return b"#" + b"x" * (self.body_bytes - 1)

    def is_accepted(self, status: int, answer: bytes) -> bool:
        return status == 204
