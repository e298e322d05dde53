"""The durable queue between a 2xx and a store."""

from concurrent.futures import Future
from typing import Protocol
from uuid import UUID

from strata_datamodel.spooling import Envelope, SpoolDepth, SpoolPosition, SpoolRecord


class Spool(Protocol):
    """Many appenders, one reader. Order of sequence is order of append."""

    @property
    def spool_id(self) -> UUID:
        """Names this spool for ever; a new directory gets a new one."""
        ...

    def append(self, envelope: Envelope, body: bytes) -> Future[SpoolPosition]:
        """The future resolves once the record is fsynced; many appends share one fsync. A future that failed
        (disk full) means that the record will never be read. Raises SpoolFullError at once when
        the bound on bytes is reached.
        No organization may hold more than three times what is then free, so that none fills the spool for all: beyond
        it raises LimitError (code `spool_share`) at once. Alone, that is three quarters of the capacity; beside one
        that holds so much, three sixteenths. What was appended and is not acknowledged counts, also over a restart.
        An organization that holds nothing may always append one record that there is room for."""
        ...

    def read(self, after: int, *, max_records: int, max_bytes: int) -> list[SpoolRecord]:
        """Durable records with sequence > after, in order; at least one when there is one, whatever its size.
        A damaged record in the middle is skipped and counted, never returned and never stops the reader."""
        ...

    def acknowledge(self, through: int) -> None:
        """Records up to this sequence are in their store: their space may go. Survives a restart (a crash may forget
        the newest acknowledgements, so readers must tolerate seeing a record again). Never goes back."""
        ...

    @property
    def acknowledged(self) -> int: ...

    def wait_for_records(self, after: int, timeout_s: float) -> bool:
        """Blocks until a durable record with sequence > after exists, or the time is over."""
        ...

    def depth(self) -> SpoolDepth:
        """What is not acknowledged yet."""
        ...

    def damaged_records(self) -> int:
        """Records skipped since opening because their checksum did not match."""
        ...

    def share_refusals(self) -> int:
        """Appends refused since opening because their organization held its share."""
        ...

    def close(self) -> None:
        """Waits for appends under way; later appends raise UnavailableError."""
        ...
