"""The fault proxy in front of the servers it is for."""

import urllib.error
import urllib.parse
import urllib.request

import pytest

from faults.kinds import BlackHole, CutReply, Refuse


def write_point(url: str, database: str, line: str, timeout_s: float = 30) -> None:
    request = urllib.request.Request(f"{url}/write?db={database}", data=line.encode(), method="POST")
    urllib.request.urlopen(request, timeout=timeout_s).close()


def counted_points(url: str, database: str) -> str:
    query = urllib.parse.urlencode({"db": database, "q": "SELECT count(v) FROM m"})
    with urllib.request.urlopen(f"{url}/query?{query}", timeout=10) as answer:
        return answer.read().decode()


def test_influx_has_a_point_whose_acknowledgement_was_cut(influx_url, influx_database, fault_proxy):
    proxy = fault_proxy(influx_url)
    proxy.set(CutReply(), times=1)
    with pytest.raises(ConnectionResetError):
        write_point(proxy.url, influx_database, "m,host=a v=1 1000000000")
    assert '"values":[["1970-01-01T00:00:00Z",1]]' in counted_points(influx_url, influx_database)
    write_point(proxy.url, influx_database, "m,host=a v=1 1000000000")
    assert '"values":[["1970-01-01T00:00:00Z",1]]' in counted_points(influx_url, influx_database)


def test_influx_in_a_black_hole_is_a_timeout_and_down_is_a_refusal(influx_url, influx_database, fault_proxy):
    proxy = fault_proxy(influx_url)
    proxy.set(BlackHole())
    with pytest.raises(TimeoutError):
        write_point(proxy.url, influx_database, "m v=1 1", timeout_s=0.3)
    proxy.set(Refuse())
    with pytest.raises(urllib.error.URLError, match="refused"):
        write_point(proxy.url, influx_database, "m v=1 1")
    assert "values" not in counted_points(influx_url, influx_database)


def test_elasticsearch_has_a_document_whose_acknowledgement_was_cut(elastic_url, elastic_prefix, fault_proxy):
    proxy = fault_proxy(elastic_url)

    def create(url: str) -> None:
        request = urllib.request.Request(
            f"{url}/{elastic_prefix}-logs/_create/1",
            data=b'{"message":"x"}',
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=30).close()

    proxy.set(CutReply(after_bytes=10), times=1)
    with pytest.raises(ConnectionResetError):
        create(proxy.url)
    with pytest.raises(urllib.error.HTTPError) as again:
        create(proxy.url)
    assert again.value.code == 409
    again.value.close()
