"""The faults a proxy can be told to have. Each applies to connections that are open already and to new ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PassThrough:
    """No fault: what is sent arrives."""


@dataclass(frozen=True)
class Latency:
    """Each chunk arrives late. Half of a round trip may be slowed alone."""

    to_store_s: float = 0.0
    to_client_s: float = 0.0


@dataclass(frozen=True)
class Bandwidth:
    """A thin line: this many bytes a second, in each direction of each connection."""

    bytes_per_s: int


@dataclass(frozen=True)
class Reset:
    """Open connections are reset (RST), new ones right after they were accepted; nothing reaches the store."""


@dataclass(frozen=True)
class Refuse:
    """Nobody listens: open connections are reset, new ones are refused. The port stays ours."""


@dataclass(frozen=True)
class BlackHole:
    """Connections are accepted and stay open; nothing moves on them until the fault is over, then all of it does."""


@dataclass(frozen=True)
class CutRequest:
    """The connection is reset when this many bytes of it went to the store: it has a torn request, or none of it."""

    after_bytes: int = 0


@dataclass(frozen=True)
class CutReply:
    """The store got the request, did it and answered; the client gets this much of the answer, then a reset."""

    after_bytes: int = 0


Fault = PassThrough | Latency | Bandwidth | Reset | Refuse | BlackHole | CutRequest | CutReply
