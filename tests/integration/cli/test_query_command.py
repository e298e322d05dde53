"""`strata query` beside a real API: what it asks with, what it shows, and what it never shows."""

import csv
import io
import json
from pathlib import Path

import pytest

from factories.point_batches import MINUTE, SECOND, batch_of, point
from scenario.processes import command
from strata_cli.api_client import Api, open_api
from strata_cli.plotting import plotted
from strata_cli.query_answers import Line, Listing, failures_of, of_influxql, of_promql
from strata_cli.querying import Asked, Form, Language, filter_from, run_query
from strata_datamodel.errors import DeniedError, InvalidError, UnavailableError
from strata_stores.settings import Settings

QUESTION = {"measurement": "cpu", "field": "usage", "aggregate": "sum", "filters": [], "group_by": ["host"]}


@pytest.fixture(scope="module")
def start_ms(shared_api):
    """Of ten points each of two hosts of both organizations, one every ten seconds."""
    start_ns = shared_api.clock.now_ns() // MINUTE * MINUTE - 10 * MINUTE
    for tenant, factor in ((shared_api.acme, 1), (shared_api.globex, 1000)):
        points = [point(start_ns + n * 10 * SECOND, float(n * factor), host=f"h{n % 2}") for n in range(12)]
        shared_api.app.state.deps.metric_store.write(batch_of(tenant.organization_id, *points))
    return start_ns // 1_000_000


@pytest.fixture
def api(shared_api, start_ms):
    return Api(shared_api.url, shared_api.acme.admin_key)


def asked(**changes: object) -> Asked:
    whole = {"language": Language.METRICS, "text": "", "question": QUESTION, "begin": "now-1h", "end": "now"}
    return Asked(**{**whole, "step": "60s", **changes})  # type: ignore[arg-type]


def shown(capsys) -> list[str]:
    """Without what the API, which runs in this process, logs."""
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith('{"method"')]


def test_a_table_shows_series_side_by_side(api, capsys):
    run_query(api, asked(), None, Form.TABLE)
    head, first, second = shown(capsys)
    assert "sum cpu.usage {host=h0}" in head
    assert (first.split()[2:], second.split()[2:]) == (["6", "9"], ["24", "27"])


def test_csv_has_a_row_for_each_point_and_json_is_what_the_api_answers(api, start_ms, capsys):
    run_query(api, asked(step=None, question={**QUESTION, "filters": [filter_from("host!=h0")]}), "acme", Form.CSV)
    rows = list(csv.DictReader(io.StringIO("\n".join(shown(capsys)))))
    assert [(row["series"], row["host"], row["value"]) for row in rows] == [("sum cpu.usage", "h1", "36.0")]
    run_query(api, asked(), None, Form.JSON)
    told = json.loads(shown(capsys)[0])
    assert told["series"][0]["points"] == [[start_ms, 6], [start_ms + 60_000, 24]]


def test_a_plot_draws_what_there_is_without_colours_where_nobody_sees_them(api, capsys):
    run_query(api, asked(begin="now-15m", step=None), None, Form.PLOT)
    drawn = "\n".join(shown(capsys))
    assert "\x1b" not in drawn
    assert "■ sum cpu.usage {host=h1}" in drawn
    assert any("\u2801" <= sign <= "\u28ff" for sign in drawn)


def test_promql_is_asked_at_the_end_or_by_steps(api, capsys):
    text = 'sum(sum_over_time({__name__="cpu"}[15m]))'
    run_query(api, asked(language=Language.PROMQL, text="1 + 1", step=None), None, Form.TABLE)
    assert shown(capsys)[1].split()[2:] == ["scalar", "2"]
    run_query(api, asked(language=Language.PROMQL, text="vector(2)", begin="now-3m", step="1m"), None, Form.CSV)
    assert [line.split(",")[2] for line in shown(capsys)] == ["value"] + ["2.0"] * 4
    with pytest.raises(InvalidError) as refused:
        run_query(api, asked(language=Language.PROMQL, text=text + ")", step=None), None, Form.TABLE)
    assert refused.value.code == "bad_data"


def test_a_refusal_of_the_api_is_told_with_its_place(api, shared_api):
    with pytest.raises(InvalidError) as refused:
        run_query(api, asked(question={**QUESTION, "aggregate": "median"}), "acme", Form.TABLE)
    assert "/aggregate" in {problem.where for problem in refused.value.problems}
    with pytest.raises(DeniedError):
        run_query(Api(shared_api.url, "strata_live_wrong"), asked(), "acme", Form.TABLE)
    with pytest.raises(UnavailableError) as nowhere:
        run_query(Api("http://127.0.0.1:1", "k"), asked(), "acme", Form.TABLE)
    assert nowhere.value.code == "api_unreachable"


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "none", api_url="http://127.0.0.1:9", api_key="from the environment")
    assert open_api(settings, url=None, key_file=None).key == "from the environment"
    (tmp_path / "key").write_text("from a file\n")
    assert open_api(settings, url=None, key_file=tmp_path / "key").key == "from a file"
    with pytest.raises(InvalidError) as refused:
        open_api(Settings(data_dir=tmp_path / "none"), url=None, key_file=None)
    assert refused.value.code == "no_api_key"
    assert "from the" not in repr(settings) + repr(open_api(settings, url=None, key_file=None))


@pytest.mark.slow
def test_the_command_prints_one_json_document_and_no_key(api, start_ms, tmp_path: Path):
    typed = ["query", "-m", "cpu", "-f", "usage", "--url", api.url, "--data-dir", str(tmp_path), "--json"]
    done = command([*typed, "--key-file", "-"], {}, f"{api.key}\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["series"][0]["points"]
    refused = command([*typed, "--promql", "up"], {"STRATA_API_KEY": api.key})
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, "bad_query")
    assert api.key not in done.stdout + done.stderr + refused.stdout + refused.stderr


def test_influxqls_answers_are_lines_by_column_and_listings():
    answer = {
        "results": [
            {
                "statement_id": 0,
                "series": [
                    {"name": "cpu", "tags": {"host": "a"}, "columns": ["time", "mean", "max"],
                     "values": [[1000, 1.5, 2], [2000, None, 3]]},
                    {"name": "cpu", "columns": ["key", "value"], "values": [["host", "a"]]},
                ],
            },
            {"statement_id": 1, "error": "no such thing"},
        ]
    }  # fmt: skip
    found = of_influxql(answer)
    assert found.lines == [
        Line("cpu.mean", {"host": "a"}, [(1000, 1.5), (2000, None)]),
        Line("cpu.max", {"host": "a"}, [(1000, 2), (2000, 3)]),
    ]
    assert found.listings == [Listing("cpu", ["key", "value"], [["host", "a"]])]
    assert failures_of(answer) == ["no such thing"]


def test_promqls_values_may_be_no_numbers():
    told = {"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "a"}, "value": [1.5, "NaN"]}]}
    (line,) = of_promql({"data": told}).lines
    assert (line.title, line.points[0][0]) == ("up {job=a}", 1500)
    assert line.points[0][1] != line.points[0][1]


@pytest.mark.parametrize("text", ["host", "=a", "", "!=x"])
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(InvalidError):
        filter_from(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b=c", ("a", "=", "b=c")),
        ("a!=b", ("a", "!=", "b")),
        ("a=~b!~c", ("a", "=~", "b!~c")),
        ("a=", ("a", "=", "")),
    ],
)
def test_a_filter_is_split_at_its_first_operator(text, expected):
    found = filter_from(text)
    assert (found["tag"], found["op"], found["value"]) == expected


@pytest.mark.parametrize(
    "series",
    [
        [[(0.0, 5.0)]],
        [[(0.0, 0.0), (1.0, 0.0)]],
        [[(0.0, 1e300), (1.0, -1e300)]],
        [[(0.0, float("nan")), (5.0, 1.0), (9.0, float("inf"))], []],
    ],
)
def test_whatever_the_numbers_are_a_plot_has_its_size(series):
    rows = plotted(series, width=60, height=5)
    assert [len(row) for row in rows] == [60] * 5
    assert any(sign > "\u2800" for row in rows for sign in row.plain[12:])


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    rows = [row.plain[12:] for row in plotted([[(0, 0), (100, 100)]], width=52, height=4)]
    columns = [[at for at, sign in enumerate(row) if sign > "\u2800"] for row in rows]
    assert columns[-1][0] == 0
    assert columns[0][-1] == 39
    assert columns[0][0] > columns[1][0] > columns[2][0] > columns[3][0]
