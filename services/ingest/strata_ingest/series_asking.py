"""The edge asks about new series before it acknowledges, so that whoever sends too many is told."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from starlette.requests import Request

from strata_core.quotas.rules import Quota
from strata_datamodel.errors import LimitError, StrataError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import PointBatch, SeriesKey
from strata_datamodel.refused_series import RefusedPoints, RefusedSeries
from strata_datamodel.spooling import Envelope
from strata_ingest.series_gate import ASKED, REFUSED, SERIES, SeriesGate, rows_of, without_series

_THREADS: Final = 2
_PATIENCE_S: Final = 5.0
_WAITING: Final = 4  # of an organization, each holding a body
_RETRY_S: Final = 5
_STATE: Final = "refused_points"


class ParsedPoints(Protocol):
    """A frozen dataclass."""

    @property
    def batch(self) -> PointBatch: ...


P = TypeVar("P", bound=ParsedPoints)


@dataclass(slots=True)
class _Lane:
    """One question of an organization at a time: its flood of new series waits for itself and for nobody else."""

    lock: asyncio.Lock
    asking: int = 0
    is_refused: bool = False
    """Whether the last question was answered with a refusal."""


class SeriesAsking:
    """Lives on one event loop, with threads of its own: recognising callers must not wait for it."""

    def __init__(self, gate: SeriesGate, count: Callable[[str, int], None]) -> None:
        self._gate = gate
        self._count = count
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ingest-series")
        self._lanes: dict[OrganizationId, _Lane] = {}

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def judged(self, request: Request, envelope: Envelope, parsed: P) -> tuple[Envelope, P]:
        """Without the points of series that the organization may not have; `refused_points` says which. When nobody
        can tell, all of it, and the writer asks. Raises LimitError (code `new_series_per_hour`)."""
        batch = parsed.batch
        missing = self._gate.missing(batch)
        if not missing:
            return _marked(envelope, ASKED), parsed
        refused = await self._asked(batch.organization_id, [batch.series[place] for place in missing])
        if refused is None:
            return envelope, parsed
        if not refused:
            return _marked(envelope, ASKED), parsed
        outside = {each.series for each in refused}
        places = [place for place in missing if batch.series[place] in outside]
        points = RefusedPoints(len(rows_of(batch, places)), tuple(refused))
        request.scope.setdefault("state", {})[_STATE] = points
        for limit, number in Counter(each.limit for each in refused).items():
            self._count(limit, number)
        kept = without_series(batch, places)
        return _marked(envelope, REFUSED), replace(parsed, batch=kept)  # type: ignore[type-var]

    async def _asked(self, organization_id: OrganizationId, keys: list[SeriesKey]) -> list[RefusedSeries] | None:
        lane = self._lanes.setdefault(organization_id, _Lane(asyncio.Lock()))
        if lane.asking >= _WAITING:
            if lane.is_refused:
                raise _too_many(lane)
            return None
        lane.asking += 1
        try:
            async with lane.lock:
                loop = asyncio.get_running_loop()
                refused = await loop.run_in_executor(
                    self._threads, self._gate.admit, organization_id, keys, _PATIENCE_S
                )
                lane.is_refused = bool(refused)
                return refused
        except StrataError:
            return None
        finally:
            lane.asking -= 1
            if not lane.asking and not lane.is_refused:
                self._lanes.pop(organization_id, None)


def refused_points(request: Request) -> RefusedPoints | None:
    """What of an accepted request was left out for its series."""
    found: RefusedPoints | None = request.scope.get("state", {}).get(_STATE)
    return found


def _marked(envelope: Envelope, word: str) -> Envelope:
    return replace(envelope, parameters={**envelope.parameters, SERIES: word})


def _too_many(lane: _Lane) -> LimitError:
    return LimitError(
        "too many requests with new series",
        code=Quota.NEW_SERIES,
        hint=f"their limits are reached ({lane.asking} wait already): send fewer kinds of tags",
        retry_after_s=_RETRY_S,
    )
