"""Line protocol of a large fleet: each line another host, hosts that come and go, and points that are late."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.workloads.points import AGENT_TAG, FIELDS, HOST_TAG, MEASUREMENT

_NS: Final = 1_000_000_000
_EVERY_S: Final = 10
_CHURN_PASSES: Final = 3_600  # a tenth of the hosts in an hour, of 360 passes
_LATE: Final = 20  # one point of so many
_LATE_S: Final = 1_500
_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class ChurningWorkload:
    """An agent sends a value of each field of each of its hosts every ten seconds, which takes `bodies_per_pass`
    bodies. In every pass one host of 3,600 gives way to a new one, and one line of 20 is 25 minutes late."""

    start_s: int
    bodies_per_pass: int
    connections: int = 8
    lines_per_body: int = 5_250

    @property
    def path(self) -> str:
        return "/api/v2/write?precision=ns"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Content-Encoding": "gzip"}

    @property
    def points_per_body(self) -> int:
        return self.lines_per_body * len(FIELDS)

    @property
    def hosts(self) -> int:
        """At any time."""
        return self.connections * self.bodies_per_pass * self.lines_per_body

    def body(self, connection: int, number: int) -> bytes:
        places, is_new = self._hosts(connection, number)
        rows = zip(
            places.tolist(), is_new.tolist(), self._times(connection, number).tolist(),
            self._values(connection, number).tolist(), strict=True,
        )  # fmt: skip
        lines = [
            f"{MEASUREMENT},{AGENT_TAG}=a{connection},{HOST_TAG}=h{place:06d}{'n' if new else ''},os=linux "
            f"{','.join(f'{field}={value}' for field, value in zip(FIELDS, values, strict=True))} {time_ns}\n"
            for place, new, time_ns, values in rows
        ]
        return gzip.compress("".join(lines).encode(), _LEVEL, mtime=0)

    def is_accepted(self, status: int, answer: bytes) -> bool:
        return status == 204

    def columns(self, connection: int, number: int) -> pa.Table:
        """As `PointWorkload.columns`."""
        places, is_new = self._hosts(connection, number)
        first = (places + np.where(is_new, self.hosts, 0)) * len(FIELDS)
        return pa.table(
            {
                "sid": (first[:, None] + np.arange(len(FIELDS))).astype(np.int32).ravel(),
                "ts_ns": np.repeat(self._times(connection, number), len(FIELDS)),
                "v": self._values(connection, number).ravel(),
            }
        )

    def _hosts(self, connection: int, number: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Their places, and whether the first that was there is gone."""
        done, part = divmod(number, self.bodies_per_pass)
        first = (connection * self.bodies_per_pass + part) * self.lines_per_body
        places = np.arange(first, first + self.lines_per_body)
        return places, places * 2_654_435_761 % _CHURN_PASSES < done

    def _times(self, connection: int, number: int) -> NDArray[np.int64]:
        done = number // self.bodies_per_pass
        is_late = (self._hosts(connection, number)[0] + done) % _LATE == 0
        return (self.start_s + done * _EVERY_S - np.where(is_late, _LATE_S, 0)) * _NS

    def _values(self, connection: int, number: int) -> NDArray[np.float64]:
        places = self._hosts(connection, number)[0]
        mixed = (places[:, None] * 40_503 + np.arange(len(FIELDS)) * 2_246_822_519 + number * 2_654_435_761) >> 7
        return (mixed % 10_000) / 100
