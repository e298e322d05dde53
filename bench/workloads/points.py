"""Line protocol of many hosts: 4 tags and 3 fields a line. Each connection is an agent with hosts of its own."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MEASUREMENT: Final = "cpu"
FIELDS: Final = ("usage_user", "usage_system", "usage_idle")
HOST_TAG: Final = "host"
AGENT_TAG: Final = "az"
_NS: Final = 1_000_000_000
_TEXTS: Final = tuple(f"{cents // 100}.{cents % 100:02d}" for cents in range(10_000))
_VALUES: Final = np.array([float(text) for text in _TEXTS])
_LEVEL: Final = 1  # smallest output is not the aim: agents compress quickly


@dataclass(frozen=True, slots=True)
class PointWorkload:
    """Body n of an agent has `seconds_per_body` lines of each of its hosts, one a second, in order of time."""

    start_s: int
    connections: int = 8
    hosts_per_agent: int = 100
    seconds_per_body: int = 50
    is_gzipped: bool = True
    bucket: str = ""
    """Where an InfluxDB is to put it; Strata needs none."""

    @property
    def path(self) -> str:
        return "/api/v2/write?precision=ns" + (f"&bucket={self.bucket}" if self.bucket else "")

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Content-Encoding": "gzip"} if self.is_gzipped else {}

    @property
    def lines_per_body(self) -> int:
        return self.hosts_per_agent * self.seconds_per_body

    @property
    def points_per_body(self) -> int:
        return self.lines_per_body * len(FIELDS)

    def body(self, connection: int, number: int) -> bytes:
        first = self.hosts_per_agent * connection
        keys = [
            f"{MEASUREMENT},{AGENT_TAG}=a{connection},{HOST_TAG}=h{host:04d},os=linux,region=eu-west-1 "
            for host in range(first, first + self.hosts_per_agent)
        ]
        cents = self._cents(connection, number)
        lines = []
        for second in range(self.seconds_per_body):
            time_ns = (self.start_s + number * self.seconds_per_body + second) * _NS
            for host, key in enumerate(keys):
                a, b, c = cents[second, host].tolist()
                lines.append(
                    f"{key}{FIELDS[0]}={_TEXTS[a]},{FIELDS[1]}={_TEXTS[b]},{FIELDS[2]}={_TEXTS[c]} {time_ns}\n"
                )
        plain = "".join(lines).encode()
        return gzip.compress(plain, _LEVEL, mtime=0) if self.is_gzipped else plain

    def is_accepted(self, status: int, answer: bytes) -> bool:
        return status == 204

    def columns(self, connection: int, number: int) -> pa.Table:
        """The body's points as the rows a store of numbered series takes, in the order of its lines."""
        cents = self._cents(connection, number)
        hosts = np.arange(self.hosts_per_agent, dtype=np.int32) + self.hosts_per_agent * connection
        sids = hosts[:, None] * len(FIELDS) + np.arange(len(FIELDS), dtype=np.int32)
        seconds = self.seconds(number)
        return pa.table(
            {
                "sid": np.broadcast_to(sids, cents.shape).ravel(),
                "ts_ns": np.repeat(seconds * _NS, self.hosts_per_agent * len(FIELDS)),
                "v": _VALUES[cents].ravel(),
            }
        )

    def values(self, connection: int, number: int) -> NDArray[np.float64]:
        """By second, host and field."""
        return _VALUES[self._cents(connection, number)]

    def seconds(self, number: int) -> NDArray[np.int64]:
        return np.arange(self.seconds_per_body, dtype=np.int64) + self.start_s + number * self.seconds_per_body

    def _cents(self, connection: int, number: int) -> NDArray[np.int64]:
        seconds = np.arange(self.seconds_per_body) + number * self.seconds_per_body
        hosts = np.arange(self.hosts_per_agent) + self.hosts_per_agent * connection
        fields = np.arange(len(FIELDS))
        mixed = (
            seconds[:, None, None] * 2_654_435_761
            + hosts[None, :, None] * 40_503
            + fields[None, None, :] * 2_246_822_519
        )
        cents: NDArray[np.int64] = (mixed ^ (mixed >> 15)) % len(_TEXTS)
        return cents
