"""Named places where a test may make a process die, stop or fail. Compiled in; outside of tests nothing happens."""

from typing import Protocol


class FaultPoints(Protocol):
    def reached(self, name: str) -> None:
        """Called at the place that `name` says, as `saga.<kind>.<step>.after_effect`. May raise, or never return."""
        ...


class NoFaults:
    def reached(self, name: str) -> None:
        """Goes on."""


NO_FAULTS = NoFaults()
