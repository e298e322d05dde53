"""The metric store contract on InfluxDB 1.x."""

import urllib.parse
import urllib.request
from uuid import uuid4

import pytest

from contract.metric_erasure_contract import MetricErasureContract
from contract.metric_isolation_contract import MetricIsolationContract
from contract.metric_query_contract import MetricQueryContract
from contract.metric_readings_contract import MetricReadingsContract
from contract.metric_slices_contract import MetricSlicesContract, other  # noqa: F401
from contract.metric_tiers_contract import MetricTiersContract
from contract.metric_values_contract import MetricValuesContract
from contract.metric_write_contract import MetricWriteContract
from contract.prepared_stores import prepared_stores
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore


@pytest.fixture(scope="module")
def shared_database(influx_url):
    """Making and dropping one costs more than most tests: they are about organizations, which are new each time."""
    name = f"t{uuid4().hex}"
    yield name
    body = urllib.parse.urlencode({"q": f'DROP DATABASE "{name}"'}).encode()
    urllib.request.urlopen(f"{influx_url}/query", data=body, timeout=30).close()


def _stores_in(influx_url, database):
    def build(_number, **options):
        return InfluxMetricStore(influx_url, SystemClock(), database=database, kept_ns=None, **options)

    return prepared_stores(build)


@pytest.fixture
def new_store(influx_url, shared_database):
    with _stores_in(influx_url, shared_database) as new_store:
        yield new_store


class TestWriting(MetricWriteContract):
    pass


class TestQuerying(MetricQueryContract):
    pass


class TestValues(MetricValuesContract):
    pass


class TestErasure(MetricErasureContract):
    pass


class TestIsolation(MetricIsolationContract):
    pass


class TestReadings(MetricReadingsContract):
    pass


class TestSlices(MetricSlicesContract):
    pass


class TestTiers(MetricTiersContract):
    @pytest.fixture
    def new_store(self, influx_url, influx_database):
        """To themselves: they roll up all that is there."""
        with _stores_in(influx_url, influx_database) as new_store:
            yield new_store
