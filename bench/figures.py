"""What a row of the table is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.harness import Plan


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of numbers, one a repeat. `is_ratio` marks what the row is for."""

    key: str
    label: str
    unit: str = ""
    is_ratio: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`measure` gives one repeat's figures, by key; it is told which repeat, so that it may change its order."""

    name: str
    title: str
    measure: Callable[[Plan, int], dict[str, float]]
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    lowest: float
    highest: float

    @staticmethod
    def of(samples: Sequence[float]) -> "Spread":
        return Spread(median(samples), min(samples), max(samples))


@dataclass(frozen=True, slots=True)
class RowResult:
    row: Row
    samples: list[dict[str, float]] = field(default_factory=list)

    def spread(self, figure: Figure) -> Spread:
        return Spread.of([sample[figure.key] for sample in self.samples])
