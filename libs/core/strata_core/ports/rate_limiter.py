"""Token buckets: how much of something may be done a second, and how much at once."""

from dataclasses import dataclass
from typing import Protocol

from strata_datamodel.ids import OrganizationId


@dataclass(frozen=True, slots=True)
class Bucket:
    """Gains `rate` tokens a second and holds `burst` of them at most. Made by `bucket`."""

    key: str
    name: str
    rate: float
    burst: float


@dataclass(frozen=True, slots=True)
class Taken:
    """`remaining` tokens are left, `reset_s` is how long until the bucket is full again, and `retry_after_s` until
    there would be enough for what was refused."""

    is_allowed: bool
    remaining: float
    reset_s: float
    retry_after_s: float = 0.0


class RateLimiter(Protocol):
    """Never raises. A cost above the bucket's burst is taken for the burst, so that nothing is refused for ever. What
    is refused takes nothing. Buckets of different keys know nothing of each other."""

    def take(self, bucket: Bucket, cost: float = 1.0) -> Taken:
        """May wait for a server, for a bounded time."""
        ...

    def take_at_once(self, bucket: Bucket, cost: float = 1.0) -> Taken | None:
        """The same without waiting for anybody, for event loops. None when a server has to be asked: call `take` in a
        thread then."""
        ...

    def look(self, bucket: Bucket) -> Taken:
        """What there is, taking nothing. May wait as `take` does."""
        ...

    def close(self) -> None: ...


def bucket(owner: OrganizationId, name: str, rate: float, burst: float, subject: str = "") -> Bucket:
    """`name` is what callers are told; `subject` tells apart buckets of one name and owner, as keys of an organization
    do."""
    return Bucket(f"{owner}:rate:{name}:{subject}", name, rate, burst)


def left_after(bucket_: Bucket, tokens: float, cost: float, *, is_allowed: bool) -> Taken:
    """`tokens` are what is in the bucket now."""
    missing = 0.0 if is_allowed else max(0.0, min(cost, bucket_.burst) - tokens)
    return Taken(
        is_allowed,
        remaining=max(0.0, tokens),
        reset_s=max(0.0, (bucket_.burst - tokens) / bucket_.rate),
        retry_after_s=missing / bucket_.rate,
    )
