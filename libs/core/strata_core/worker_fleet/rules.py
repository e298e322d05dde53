"""What the rows of the workers mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strata_datamodel.health import StoreHealth

SILENT_AFTER: Final = timedelta(seconds=30)
"""Six heartbeats missed."""
FORGOTTEN_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class LoopReport:
    is_well: bool
    detail: str


@dataclass(frozen=True, slots=True)
class WorkerRow:
    name: str
    started_at: datetime
    seen_at: datetime
    loops: Mapping[str, LoopReport]


def fleet_health(rows: Sequence[WorkerRow], now: datetime, *, besides: str = "") -> list[StoreHealth]:
    """One line for all, and one for each thing that is not well. Nothing here is required: a worker that hangs is no
    reason to take another process out of the load balancer. `besides` is the worker that asks, and tells of itself."""
    silent = [row for row in rows if now - row.seen_at >= SILENT_AFTER]
    alive = [row for row in rows if now - row.seen_at < SILENT_AFTER]
    summary = StoreHealth(
        "workers",
        is_ready=bool(alive),
        detail=f"{len(alive)} alive" if alive else "none is alive: nothing that has to happen later happens",
        is_required=False,
    )
    return [
        summary,
        *(
            _trouble(f"worker {row.name}", f"silent for {(now - row.seen_at).total_seconds():.0f} s")
            for row in silent
            if row.name != besides
        ),
        *(
            _trouble(f"loop {name} of {row.name}", loop.detail)
            for row in alive
            for name, loop in sorted(row.loops.items())
            if row.name != besides and not loop.is_well
        ),
    ]


def _trouble(subject: str, detail: str) -> StoreHealth:
    return StoreHealth(subject, is_ready=False, detail=detail, is_required=False)
