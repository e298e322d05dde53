"""Writing in bulk: what each item's answer means, and what is sent again."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.limits import MIB
from strata_datamodel.metrics import Rejection
from strata_stores.elastic.trouble import STORE, is_for_good, refusal

CHUNK_BYTES: Final = 8 * MIB
_SENDINGS: Final = 4
_MOST_SENDINGS: Final = 20
_FIRST_PAUSE_S: Final = 0.1
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_BLOCKED: Final = "cluster_block_exception"

Send = Callable[[list[bytes]], Sequence[Any]]
"""Sends the lines of a bulk request, returns its items' answers. Raises what `trouble.reported` raises."""


@dataclass(frozen=True, slots=True)
class Item:
    """An action with its document, and its place in the batch."""

    place: int
    action: bytes
    document: bytes | None = None

    @property
    def size_bytes(self) -> int:
        return len(self.action) + len(self.document or b"") + 2


def send_all(items: Sequence[Item], send: Send, pause: Callable[[float], object]) -> list[Rejection]:
    """Those refused for good; all others are in the store. Raises StoreUnavailableError when that cannot be said."""
    rejected: list[Rejection] = []
    for chunk in _chunks(items):
        rejected += _send_chunk(chunk, send, pause)
    return rejected


def _chunks(items: Sequence[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size_bytes = 0
    for item in items:
        if chunk and size_bytes + item.size_bytes > CHUNK_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(item)
        size_bytes += item.size_bytes
    if chunk:
        yield chunk


def _send_chunk(chunk: list[Item], send: Send, pause: Callable[[float], object]) -> list[Rejection]:
    """While each sending gets some of them in, it is worth another: to give up would send all of them anew."""
    rejected: list[Rejection] = []
    left = chunk
    reason = ""
    in_vain = 0
    for sending in range(_MOST_SENDINGS):
        if sending:
            # Jitter, so that writers that were turned away together do not come back together.
            spread = random.uniform(0.5, 1.5)  # noqa: S311 - nobody guesses against this
            pause(_FIRST_PAUSE_S * 2 ** min(sending, _SENDINGS) * spread)
        try:
            answers = send(_lines(left))
        except StoreRefusedError as refused:
            return rejected + _halved_or_refused(left, send, pause, refused.detail)
        if len(answers) != len(left):
            raise StoreUnavailableError(STORE, f"{len(answers)} answers to {len(left)} bulk items")
        busy: list[Item] = []
        for item, answer in zip(left, answers, strict=True):
            outcome = next(iter(answer.values()))
            status, error = outcome["status"], outcome.get("error", {})
            # A full disk answers 429 as well, and does not get better within seconds.
            if status in {_TOO_MANY, _UNAVAILABLE} and error.get("type") != _BLOCKED:
                busy.append(item)
                reason = f"{status} {error.get('reason', '')}"
            elif _is_refused(status, outcome):
                rejected.append(_rejection(item, status, error))
        if not busy:
            return rejected
        in_vain = 1 if len(busy) < len(left) else in_vain + 1
        left = busy
        if in_vain == _SENDINGS:
            break
    raise StoreUnavailableError(STORE, f"{len(left)} items turned away {in_vain} times: {reason}")


def _halved_or_refused(items: list[Item], send: Send, pause: Callable[[float], object], reason: str) -> list[Rejection]:
    """The whole request was refused, as one too large for a proxy is: one of its items may be why."""
    if len(items) == 1:
        return [Rejection(items[0].place, reason)]
    middle = len(items) // 2
    return _send_chunk(items[:middle], send, pause) + _send_chunk(items[middle:], send, pause)


def _is_refused(status: int, outcome: Any) -> bool:
    is_done = status < 300 or status == _CONFLICT
    is_gone = status == _NOT_FOUND and outcome.get("result") == "not_found"
    return not is_done and not is_gone


def _rejection(item: Item, status: int, error: Any) -> Rejection:
    """Raises when the answer is about the cluster, so that sending the item later may do."""
    kind, reason = str(error.get("type", "")), str(error.get("reason", ""))
    if not is_for_good(status, kind):
        raise refusal(status, kind, reason)
    cause = error.get("caused_by", {}).get("reason")
    return Rejection(item.place, f"{kind}: {reason}" + (f" ({cause})" if cause else ""))


def _lines(items: Sequence[Item]) -> list[bytes]:
    return [line for item in items for line in (item.action, item.document) if line is not None]
