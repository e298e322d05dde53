"""What a native InfluxDB 1.8.10 judges and stores of each line of a corpus, this parser judges and stores too, but for
the differences that the guide lists."""

import json
import re
import uuid
from pathlib import Path

import httpx
import pytest

from factories.wire_envelopes import line_envelope
from integration.ingest.line_corpus import CORPUS
from strata_datamodel.metrics import FieldClass
from strata_wire.line_protocol import parse_lines
from strata_wire.precision import v1_precision

PAGE = Path(__file__).parents[3] / "docs/guide/line-protocol.md"
RECEIVED_NS = 1_800_000_000_000_000_000
NOW = "when it arrived"
BEFORE_NS, AFTER_NS = 1_750_000_000 * 10**9, 4_000_000_000 * 10**9


def case_lines():
    """A measurement of its own for each."""
    return [(re.sub(r"\Am", f"m{number:03}_", line), precision) for number, (line, precision) in enumerate(CORPUS)]


def ours(line, precision):
    """Whether all of it was taken, and what is stored."""
    envelope = line_envelope(received_at_ns=RECEIVED_NS, precision=v1_precision(precision))
    parsed = parse_lines(line.encode(), envelope)
    batch, stored = parsed.batch, {}
    rows = zip(batch.series_index.tolist(), batch.time_ns.tolist(), batch.values.tolist(), strict=True)
    for index, time_ns, value in rows:
        key = batch.series[index]
        kept = batch.texts[int(value)] if key.field_class is FieldClass.STRING else value
        kept = bool(kept) if key.field_class is FieldClass.BOOLEAN else kept
        at = NOW if time_ns == RECEIVED_NS else time_ns
        stored.setdefault(key.measurement, {})[key.tags, key.field, key.field_class, at] = kept
    return parsed.rejections == 0, stored


def class_of(value):
    if isinstance(value, bool):
        return FieldClass.BOOLEAN
    return FieldClass.STRING if isinstance(value, str) else FieldClass.NUMBER


def _is_taken(client, query, line):
    try:
        status = client.post("/write", params=query, content=line.encode()).status_code
    except httpx.RemoteProtocolError:  # the line's control characters stand in a header of the refusal
        return False
    assert status in (204, 400), line
    return status == 204


@pytest.fixture(scope="module")
def native(influx_url):
    """The judgement of each line, and what is stored, by measurement."""
    database = f"conformance_{uuid.uuid4().hex}"
    with httpx.Client(base_url=influx_url, timeout=30) as client:
        _ask(client, database, f"CREATE DATABASE {database}")
        judged = []
        for line, precision in case_lines():
            judged.append(_is_taken(client, {"db": database, "precision": precision}, line))
        stored = _stored(client, database)
        _ask(client, database, f"DROP DATABASE {database}")
    return judged, stored


def _ask(client, database, statements):
    answer = client.post("/query", params={"db": database, "epoch": "ns"}, data={"q": statements})
    return [series for result in answer.raise_for_status().json()["results"] for series in result.get("series", ())]


def _stored(client, database):
    """All at once would not do: columns of one name and several types lose values."""
    ours = [f"/^m{number:03}_/" for number in range(len(CORPUS))]
    found = _ask(client, database, ";".join(f"SELECT * FROM {names} GROUP BY *" for names in [*ours, "/^(m$|[^m])/"]))
    stored = {}
    for series in found:
        tags = tuple(sorted((name, value) for name, value in series.get("tags", {}).items() if value))
        for time_ns, *values in series["values"]:
            at = NOW if BEFORE_NS < time_ns < AFTER_NS else time_ns
            for field, value in zip(series["columns"][1:], values, strict=True):
                if value is not None:
                    kept = value if isinstance(value, bool | str) else float(value)
                    stored.setdefault(series["name"], {})[tags, field, class_of(value), at] = kept
    return stored


def documented():
    """The lines of the guide's tables, as JSON strings."""
    return {json.loads(f'"{found}"') for found in re.findall(r'^\| `"(.*?)"`', PAGE.read_text("utf-8"), re.MULTILINE)}


def test_the_corpus_is_large_enough():
    assert len(CORPUS) >= 200
    assert len(set(CORPUS)) == len(CORPUS)


def test_each_line_is_judged_and_stored_as_by_influxdb_but_for_what_the_guide_lists(native):
    judged, stored = native
    differing, of_ours = {}, {}
    for place, ((line, precision), (sent, _)) in enumerate(zip(CORPUS, case_lines(), strict=True)):
        is_taken, points = ours(sent, precision)
        of_ours.update(points)
        theirs = {name: stored[name] for name in stored if name.startswith(f"m{place:03}_") or name in points}
        if (is_taken, points) != (judged[place], theirs):
            differing[line] = (is_taken, points, judged[place], theirs)
    listed = documented()
    assert {line: seen for line, seen in differing.items() if line not in listed} == {}
    assert listed - differing.keys() == set()
