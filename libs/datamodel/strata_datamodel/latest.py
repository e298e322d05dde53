"""The newest values of a host's metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HOST_TAGS: Final = ("host", "host_id", "host.name", "host.id")
"""The first of these that a series has names its host."""

Metric = tuple[str, str]
"""Measurement and field."""


@dataclass(frozen=True, slots=True)
class LatestValue:
    at_ms: int
    value: float | bool | str

    def outranks(self, other: "LatestValue") -> bool:
        """The newer one; of several series' values at one time the greater number, as `last` has it in every metric
        store. So values may come in any order, and twice."""
        if self.at_ms != other.at_ms:
            return self.at_ms > other.at_ms
        if isinstance(self.value, str) or isinstance(other.value, str):
            return str(self.value) > str(other.value)
        return self.value > other.value


Values = Mapping[Metric, LatestValue]
