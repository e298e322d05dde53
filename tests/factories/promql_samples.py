"""Samples with everything in them that an evaluator can get wrong: resets, gaps, ends, NaN, infinities, odd times."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from factories.remote_write import STALE, sample, series_1

EVERY_MS = 15_000
LENGTH_MS = 45 * 60_000


@dataclass(frozen=True)
class SentSeries:
    labels: dict[str, str]
    samples: list[tuple[int, float]]
    """Milliseconds since the beginning, and the value."""


def sent_series() -> list[SentSeries]:
    return [*_counters(), *_gauges(), *_odd_ones(), *_histograms()]


def request_of(series: list[SentSeries], begin_ms: int) -> bytes:
    return b"".join(
        series_1(each.labels, *(sample(value, begin_ms + at) for at, value in each.samples)) for each in series
    )


def _times(begin: int = 0, end: int = LENGTH_MS, every: int = EVERY_MS) -> range:
    return range(begin, end + 1, every)


def _counters() -> Iterator[SentSeries]:
    for number, (job, instance) in enumerate((("api", "1"), ("api", "2"), ("web", "1"), ("web", "2"))):
        total, samples = 10.0 * number, []
        for place, at in enumerate(_times()):
            total = 3.0 if place % (40 + 17 * number) == 39 else total + (place * 7 + number * 3) % 11
            samples.append((at, total))
        labels = {"__name__": "requests_total", "instance": instance, "job": job}
        yield SentSeries(labels, samples)
        failed = [(at, math.floor(value / 10)) for at, value in samples if at >= 5 * 60_000]
        yield SentSeries({**labels, "__name__": "failures_total"}, failed)


def _gauges() -> Iterator[SentSeries]:
    for number, room in enumerate(("attic", "cellar", "kitchen", "study")):
        values = [(at, 20 + 5 * math.sin(at / 300_000 + number) - 8 * number) for at in _times()]
        labels = {"__name__": "temperature_celsius", "floor": str(number % 2), "room": room}
        yield SentSeries(labels, values)
        yield SentSeries(
            {"__name__": "room_info", "owner": f"owner {number // 2}", "room": room}, [(at, 1.0) for at in _times()]
        )
    yield SentSeries(
        {"__name__": "room_limit_celsius", "room": "attic"}, [(at, 22.0) for at in _times(end=20 * 60_000)]
    )
    yield SentSeries({"__name__": "room_limit_celsius", "room": "cellar"}, [(at, 12.5) for at in _times()])


def _odd_ones() -> Iterator[SentSeries]:
    """Each under a name that says what is odd."""
    minute = 60_000
    yield SentSeries({"__name__": "gappy"}, [(at, at / 1_000) for at in _times() if not 10 * minute < at < 22 * minute])
    ended = [(at, 5.0 + at / minute) for at in _times(end=12 * minute)]
    yield SentSeries({"__name__": "ended"}, [*ended, (12 * minute + EVERY_MS, STALE)])
    again = [(at, 100.0 + at / minute) for at in _times(20 * minute)]
    yield SentSeries({"__name__": "resumed"}, [*ended, (12 * minute + EVERY_MS, STALE), *again])
    yield SentSeries({"__name__": "undefined", "kind": "all"}, [(at, math.nan) for at in _times()])
    yield SentSeries(
        {"__name__": "undefined", "kind": "some"},
        [(at, math.nan if at // EVERY_MS % 4 == 1 else at / 1_000) for at in _times()],
    )
    infinite = {0: math.inf, 1: -math.inf, 2: 1.0, 3: 0.0, 4: -0.5}
    yield SentSeries({"__name__": "infinite"}, [(at, infinite[at // EVERY_MS % 5]) for at in _times()])
    yield SentSeries({"__name__": "once"}, [(15 * minute, 42.0)])
    yield SentSeries({"__name__": "twice"}, [(15 * minute, 42.0), (16 * minute, 43.5)])
    uneven = [(at + at * 7919 % 11_003, float(at * 31 % 97)) for at in _times()]
    yield SentSeries({"__name__": "uneven"}, uneven)
    yield SentSeries({"__name__": "slow_total"}, [(at, at / 60_000) for at in _times(every=4 * minute)])
    yield SentSeries({"__name__": "constant"}, [(at, 7.0) for at in _times()])
    yield SentSeries({"__name__": "huge"}, [(at, 1e15 + at) for at in _times()])
    yield SentSeries({"__name__": "tiny"}, [(at, 1e-12 * (1 + at)) for at in _times()])
    yield SentSeries({"__name__": "unixtime"}, [(at, 1_700_000_000 + at * 997.0) for at in _times()])
    words = {"path": "/a/b?c=d", "quoted": 'say "hi"\\', "umlaut": "größe", "with_2": "é-2"}
    yield SentSeries({"__name__": "worded", **words}, [(at, 1.0 + at) for at in _times()])
    for side in ("left", "right"):
        for number in "12":
            yield SentSeries(
                {"__name__": "doubled", "number": number, "side": side}, [(at, float(number)) for at in _times()]
            )
    yield SentSeries(
        {"__name__": "shift", "half": "first", "side": "left"}, [(at, 1.0) for at in _times(end=15 * minute)]
    )
    yield SentSeries({"__name__": "shift", "half": "second", "side": "left"}, [(at, 2.0) for at in _times(25 * minute)])


def _histograms() -> Iterator[SentSeries]:
    bounds = ("0.05", "0.1", "0.5", "1", "2.5", "+Inf")
    for number, path in enumerate(("/", "/login")):
        for place, bound in enumerate(bounds):
            values = [(at, float((at // EVERY_MS) * (place + 1) * (number + 1) + place)) for at in _times()]
            yield SentSeries({"__name__": "latency_seconds_bucket", "le": bound, "path": path}, values)
        yield SentSeries(
            {"__name__": "latency_seconds_count", "path": path}, [(at, float(at // EVERY_MS * 6)) for at in _times()]
        )
    for bound in ("-1", "-0.5", "0", "2"):
        yield SentSeries({"__name__": "endless_bucket", "le": bound}, [(at, float(at // EVERY_MS)) for at in _times()])
    for place, bound in enumerate(("-1", "0", "1", "1.0", "+Inf", "odd")):
        yield SentSeries({"__name__": "negative_bucket", "le": bound}, [(at, 10.0 * place) for at in _times()])
    for place, bound in enumerate(("1", "2", "3", "+Inf")):
        falling = [(at, float((at // EVERY_MS) * (4 - place if place == 1 else place + 1))) for at in _times()]
        yield SentSeries({"__name__": "falling_bucket", "le": bound}, falling)
