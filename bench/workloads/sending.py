"""The contract between a workload and the process that sends it."""

from collections.abc import Mapping
from typing import Protocol


class Workload(Protocol):
    """Picklable. Connection c sends its bodies in order, as an agent would."""

    @property
    def connections(self) -> int: ...

    @property
    def path(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def body(self, connection: int, number: int) -> bytes: ...

    def is_accepted(self, status: int, answer: bytes) -> bool:
        """Whether all of the body was taken."""
        ...
