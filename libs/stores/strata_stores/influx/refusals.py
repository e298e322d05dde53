"""Finding the points that InfluxDB will not take: it says how many it dropped and why, not which."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from strata_stores.influx.lines import Lines
from strata_stores.influx.transport import Reply

_PARTIAL: Final = re.compile(
    r"partial write(?: of line protocol occurred)?:? *(?P<reason>.*?)(?: dropped=(?P<dropped>\d+))?$", re.DOTALL
)
_TOO_OLD: Final = "beyond retention policy"
_TOO_LARGE: Final = 413
_REFUSED: Final = (400, 422)
_REASON_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    dropped: int | None


def is_accepted(reply: Reply) -> bool:
    return 200 <= reply.status < 300


def refusal_in(reply: Reply) -> Refusal | None:
    """None when the reply says nothing about the points, but something about the store."""
    if reply.status == _TOO_LARGE:
        return Refusal("the point is larger than InfluxDB takes", None)
    if reply.status not in _REFUSED:
        return None
    message = reply.message()
    partial = _PARTIAL.search(message)
    if partial is None:
        return Refusal(message[:_REASON_LENGTH] or f"refused with {reply.status}", None)
    return Refusal(partial["reason"][:_REASON_LENGTH], int(partial["dropped"] or 0) or None)


def is_too_old(reply: Reply) -> bool:
    """Nothing else is said of the points that were refused."""
    refusal = refusal_in(reply)
    return refusal is not None and _TOO_OLD in refusal.reason


def refused_lines(lines: Lines, post: Callable[[Lines], Reply]) -> Iterator[tuple[int, str]]:
    """Writes all that can be written, and yields (row, reason) for all that cannot.

    Writing a point again changes nothing, so halves are simply written until each is either taken or a single point.
    """
    pending = [lines]
    while pending:
        part = pending.pop()
        reply = post(part)
        if is_accepted(reply):
            continue
        refusal = refusal_in(reply)
        if refusal is None:
            raise reply.unavailable()
        if len(part) == 1 or refusal.dropped == len(part):
            yield from ((row, refusal.reason) for row in part.rows.tolist())
        elif _TOO_OLD in refusal.reason and refusal.dropped is not None and refusal.dropped < len(part):
            oldest, newer = _oldest(part, refusal.dropped)
            yield from ((row, refusal.reason) for row in oldest.rows.tolist())
            pending.append(newer)  # a second kind of refusal may hide behind the first
        else:
            pending.extend(_halves(part))


def _oldest(lines: Lines, count: int) -> tuple[Lines, Lines]:
    """InfluxDB drops what is older than one instant, so the number of points dropped says which."""
    by_time = np.argsort(lines.time_ns, kind="stable")
    return lines.take(np.sort(by_time[:count])), lines.take(np.sort(by_time[count:]))


def _halves(lines: Lines) -> list[Lines]:
    """By series: its points mostly share their fate. The first half comes last, to be written first."""
    by_series = np.argsort(lines.series_index, kind="stable")
    middle = len(lines) // 2
    return [lines.take(by_series[middle:]), lines.take(by_series[:middle])]
