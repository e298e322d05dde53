"""Figures about requests, by route and never by path: paths are as many as callers make them."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpFigures:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "strata_http_requests", "Requests answered", ["service", "method", "route", "status"], registry=registry
        )
        self._durations = Histogram(
            "strata_http_request_duration_seconds", "Time to the last byte", ["service", "route"], registry=registry
        )
        self._refused_at_once = Counter(
            "strata_http_refused_at_once",
            "Requests refused, as too many were in work",
            ["service", "lane"],
            registry=registry,
        )

    def refused_at_once(self, lane: str) -> None:
        self._refused_at_once.labels("api", lane).inc()

    def recorder(self, method: str, route: str, status: int) -> Callable[[float], None]:
        """`record` of what is always the same but its duration: looking labels up costs more than counting."""
        requests, durations = (
            self._requests.labels("api", method, route, str(status)),
            self._durations.labels("api", route),
        )

        def record(duration_s: float) -> None:
            requests.inc()
            durations.observe(duration_s)

        return record

    def record(self, method: str, route: str, status: int, duration_s: float) -> None:
        self._requests.labels("api", method if method in _METHODS else "other", route, str(status)).inc()
        self._durations.labels("api", route).observe(duration_s)
