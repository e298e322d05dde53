"""New series that an organization's limits keep out."""

from dataclasses import dataclass
from typing import Final

from strata_datamodel.metrics import SeriesKey

_NAMED: Final = 5
_SHOWN_LENGTH: Final = 128


@dataclass(frozen=True, slots=True)
class RefusedSeries:
    series: SeriesKey
    limit: str
    """The quota's name, which is the error's code too."""
    value: int

    @property
    def reason(self) -> str:
        return f"limit {self.limit} ({self.value}) is reached"


@dataclass(frozen=True, slots=True)
class RefusedPoints:
    """What of a request was left out for its series: `series` are all of them."""

    points: int
    series: tuple[RefusedSeries, ...]

    def text(self) -> str:
        """For people: each limit, and the first series it kept out."""
        more = len(self.series) - _NAMED
        named = "; ".join(f"{shown(each.series)}: {each.reason}" for each in self.series[:_NAMED])
        return f"{named}{f'; and {more} more series' if more > 0 else ''}"


def shown(series: SeriesKey) -> str:
    tags = "".join(f",{name}={value}" for name, value in series.tags)
    return f"{series.measurement}{tags} {series.field}"[:_SHOWN_LENGTH]
