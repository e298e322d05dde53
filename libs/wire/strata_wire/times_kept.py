"""Which timestamps a request may carry: fixed when it arrived, so that a replay refuses and keeps the same points."""

from dataclasses import dataclass
from typing import Final

from strata_datamodel.limits import FUTURE_SECONDS
from strata_datamodel.spooling import Envelope

RAW_KEPT_NS: Final = "raw_kept_ns"
"""The envelope parameter that says for how long raw points were kept when the request arrived. Without it no time is
too old: dead letters hold points that were in time when they were sent."""

_SECOND_NS: Final = 1_000_000_000
_DAY_S: Final = 86_400
_EARLIEST_NS: Final = -(1 << 63) + 2  # as in InfluxDB


@dataclass(frozen=True, slots=True)
class TimesKept:
    received_ns: int
    oldest_ns: int
    newest_ns: int

    @staticmethod
    def of(envelope: Envelope) -> "TimesKept":
        received_ns = envelope.received_at_ns
        kept = envelope.parameters.get(RAW_KEPT_NS)
        oldest_ns = _EARLIEST_NS if kept is None else max(_EARLIEST_NS, received_ns - int(kept))
        return TimesKept(received_ns, oldest_ns, received_ns + FUTURE_SECONDS * _SECOND_NS)

    def too_old(self) -> str:
        """Why an earlier time is refused, for people."""
        kept_s = (self.received_ns - self.oldest_ns) // _SECOND_NS
        kept = f"{kept_s / _DAY_S:g} days" if kept_s >= _DAY_S else f"{kept_s} seconds"
        return f"timestamp is more than {kept} old"

    def in_future(self) -> str:
        return f"timestamp is more than {FUTURE_SECONDS} seconds in the future"
