"""A disk that is full under an embedded Strata: under its spool and DuckDB alike."""

import time
from collections.abc import Callable

import httpx
import pytest

from chaos.full_disks import MOST, files_that_may_not_grow, until_put_off
from scenario.processes import Tenant
from scenario.up import Up
from strata_datamodel.limits import MIB
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]
PADDING = "x" * 500
LINES = 400
"""A line has its number and a text of some size, so that files soon have to grow."""


def lines(tenant: Tenant, at_ns: int) -> Callable[[int], httpx.Response]:
    def send(number: int) -> httpx.Response:
        body = "\n".join(f'm,host=h{n} v={number},text="{PADDING}" {at_ns + number}' for n in range(LINES))
        return tenant.ingest.post("/api/v2/write", content=body)

    return send


def test_fault_18_with_the_disk_of_an_embedded_strata_full_clients_are_put_off_and_all_is_stored_afterwards(up: Up):
    """PostgreSQL has files of its own, in processes of its own."""
    acme, globex = up.tenant("acme"), up.tenant("globex")
    at_ns = time.time_ns()
    send = lines(acme, at_ns)
    question = {
        "measurement": "m", "field": "v", "aggregate": "count", "from": "now-1h", "to": "now+1h", "group_by": ["host"],
    }  # fmt: skip
    try:
        assert lines(globex, at_ns)(0).status_code == 204
        with files_that_may_not_grow(up.process.pid, 2 * MIB):
            accepted = until_put_off(send)
            assert accepted
        assert send(MOST).status_code == 204
        expected = len(accepted) + 1

        def all_in() -> bool:
            counts = [series["points"][0][1] for series in acme.query(**question)["series"]]
            return counts == [expected] * LINES

        eventually(all_in, 60, what="all that was accepted")
        assert [series["points"][0][1] for series in globex.query(**question)["series"]] == [1] * LINES
        up.process.wait_until_ready(up.api_port)
    finally:
        acme.close()
        globex.close()
