"""Points as they grow."""

from typing import NamedTuple

from strata_wire.compiled.machine import Doubles, Integers, Longs
from strata_wire.compiled.slots import doubled


class Columns(NamedTuple):
    series: Integers
    times: Longs
    values: Doubles

    def doubled(self) -> "Columns":
        return Columns(doubled(self.series), doubled(self.times), doubled(self.values))

    def first(self, count: int) -> "Columns":
        return Columns(self.series[:count].copy(), self.times[:count].copy(), self.values[:count].copy())
