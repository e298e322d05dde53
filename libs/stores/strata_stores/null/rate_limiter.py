"""Buckets that are always full."""

from strata_core.ports.rate_limiter import Bucket, Taken


class NullRateLimiter:
    def take(self, bucket: Bucket, cost: float = 1.0) -> Taken:
        return Taken(is_allowed=True, remaining=bucket.burst, reset_s=0.0)

    def take_at_once(self, bucket: Bucket, cost: float = 1.0) -> Taken | None:
        return self.take(bucket, cost)

    def look(self, bucket: Bucket) -> Taken:
        return self.take(bucket, 0.0)

    def close(self) -> None:
        """Nothing is open."""
