"""The store fixtures seen from outside: runs of pytest on a small file, ended in every way a run can end."""

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from native_stores.cache import cache_root, is_installed
from native_stores.catalogue import KINDS, version_of
from waiting import eventually

ROOT = Path(__file__).parents[2]
PASSING = "def test_it(influx_url): print(f'url={influx_url}')"


# A shell that starts a run in the background has it ignore SIGINT, and its children with it: this one listens again.
INNER_PYTEST = (
    "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(pytest.main())"
)


class InnerRun:
    """pytest on one file with the plugin under test, in a temporary folder of its own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        # Not below pytest's own: Elasticsearch, under another account than root's, could not enter that.
        self.temporary = Path(tempfile.mkdtemp(prefix="inner-run-"))
        self.temporary.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRATA_", "PYTEST_"))}
        self.environ = kept | {
            "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'tools'}",
            "TMPDIR": str(self.temporary),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "DOCKER_HOST": "unix:///nowhere/docker.sock",
            **environ,
        }

    def start(self, content: str, *arguments: str) -> subprocess.Popen[str]:
        (self.folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        (self.folder / "test_inner.py").write_text(content)
        return subprocess.Popen(
            [
                sys.executable,
                "-c",
                INNER_PYTEST,
                "-p",
                "xdist",
                "-p",
                "pytest_timeout",
                "-p",
                "fixtures.stores",
                "-rs",
                "-s",
                *arguments,
            ],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, content: str, *arguments: str) -> tuple[int, str]:
        with self.start(content, *arguments) as process:
            output, _ = process.communicate(timeout=150)
        return process.returncode, output

    def close(self) -> None:
        shutil.rmtree(self.temporary)

    def processes(self, name: str = "") -> list[int]:
        """Processes that have something of this run's temporary folder, and the name, in their command line."""
        command_lines = {
            int(entry.name): _read(entry / "cmdline") for entry in Path("/proc").iterdir() if entry.name.isdigit()
        }
        marks = (str(self.temporary).encode(), name.encode())
        return [pid for pid, line in command_lines.items() if all(mark in line for mark in marks)]

    def leftovers(self) -> list[object]:
        return [*self.processes(), *(path.name for path in self.temporary.glob("*strata-*"))]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""


@pytest.fixture
def inner(tmp_path):
    with ExitStack() as cleanup:

        def make(**environ: str) -> InnerRun:
            run = InnerRun(tmp_path, environ)
            cleanup.callback(run.close)
            return run

        yield make


@pytest.fixture
def with_native_influx(influx_url, inner):
    return native_run("influx", inner)


@pytest.fixture
def with_native_elastic(elastic_url, inner):
    return native_run("elastic", inner)


def native_run(name: str, inner) -> InnerRun:
    """An inner run that starts a server of its own, whichever way this one got its."""
    if not is_installed(KINDS[name], version_of(KINDS[name])):
        pytest.skip(f"the {name} of this run is not a native one")
    return inner(STRATA_TEST_CACHE=str(cache_root()))


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url + "/_cat/health", timeout=2).close()
    except urllib.error.HTTPError as answer:  # InfluxDB knows no such page
        answer.close()
    except OSError:
        return False
    return True


def test_a_url_in_the_environment_is_used_as_it_is(inner):
    code, output = inner(STRATA_TEST_INFLUX_URL="http://127.0.0.1:1/").finish(PASSING)
    assert code == 0
    assert "url=http://127.0.0.1:1\n" in output
    assert "influx: http://127.0.0.1:1, from the environment" in output


def test_a_store_that_cannot_be_had_is_skipped_loudly(inner, tmp_path):
    code, output = inner(STRATA_TEST_CACHE=str(tmp_path / "empty")).finish(PASSING)
    assert code == 0
    assert "1 skipped" in output
    assert "influx: NOT RUN" in output
    assert "python -m native_stores install influx" in output


def test_a_required_store_that_cannot_be_had_fails_the_run(inner, tmp_path):
    without_go = inner(STRATA_TEST_CACHE=str(tmp_path / "empty"), STRATA_TEST_REQUIRE="influx", PATH="/nowhere")
    code, output = without_go.finish(PASSING)
    assert code == 1
    assert "STRATA_TEST_REQUIRE names influx, but: " in output
    assert "`go` is not on PATH: install Go" in output


def test_an_unknown_name_in_the_required_stores_is_refused(inner):
    code, output = inner(STRATA_TEST_REQUIRE="inflx").finish(PASSING)
    assert code == 4
    assert "inflx" in output
    assert "Traceback" not in output


def test_a_run_that_asks_for_no_store_starts_none(inner, tmp_path):
    run = inner(STRATA_TEST_CACHE=str(cache_root()))
    code, output = run.finish("def test_it(): pass")
    assert code == 0
    assert "influx: not asked for" in output
    assert run.leftovers() == []


def test_tests_that_use_a_store_can_be_chosen_by_its_marker(inner):
    code, output = inner(STRATA_TEST_INFLUX_URL="http://127.0.0.1:1").finish(
        PASSING + "\ndef test_other(): pass", "-m", "influx"
    )
    assert code == 0
    assert "1 passed, 1 deselected" in output


def test_the_workers_of_a_parallel_run_share_one_server_and_nothing_is_left(with_native_influx):
    content = f"""
import os, pathlib, pytest
@pytest.mark.parametrize("number", range(6))
def test_it(influx_url, influx_database, number):
    worker = os.environ["PYTEST_XDIST_WORKER"]
    seen = pathlib.Path({str(with_native_influx.folder)!r}, f"{{worker}}-{{number}}.seen")
    seen.write_text(f"{{influx_url}} {{influx_database}}")
"""
    code, output = with_native_influx.finish(content, "-n2", "--dist=each")
    assert code == 0, output
    seen = [path.read_text().split() for path in with_native_influx.folder.glob("*.seen")]
    assert len(seen) == 12
    assert len({url for url, _ in seen}) == 1
    assert len({database for _, database in seen}) == 12
    assert f"influx: native influxdb {version_of(KINDS['influx'])}" in output
    assert not answers(seen[0][0])
    assert with_native_influx.leftovers() == []


class _BrokenEngine(http.server.BaseHTTPRequestHandler):
    """Answers the ping of a Docker engine, and fails at everything else."""

    def do_GET(self):
        self.send_response(200 if self.path == "/_ping" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the name is the protocol of http.server

    def log_message(self, *_):
        pass


def test_where_docker_fails_the_native_install_stands_in(with_native_influx):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _BrokenEngine) as engine:
        threading.Thread(target=engine.serve_forever).start()
        with_native_influx.environ["DOCKER_HOST"] = f"tcp://127.0.0.1:{engine.server_port}"
        code, output = with_native_influx.finish(PASSING)
        engine.shutdown()
    assert code == 0, output
    assert f"influx: native influxdb {version_of(KINDS['influx'])} (not by docker: " in output


WAITING = """
import pathlib, threading
def test_it({fixture}):
    pathlib.Path({path!r}).write_text({fixture})
    threading.Event().wait()
"""


@contextmanager
def started_and_waiting(
    run: InnerRun, *arguments: str, fixture: str = "influx_url"
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    told = run.folder / "url"
    with run.start(WAITING.format(path=str(told), fixture=fixture), *arguments) as process:
        try:
            url = eventually(lambda: told.exists() and told.read_text(), 60, what="the inner run's server")
            assert answers(url)
            yield process, url
        finally:
            process.kill()


def kill_holder(run: InnerRun) -> None:
    (holder,) = run.processes("native_stores.holder")
    os.kill(holder, signal.SIGKILL)


@pytest.mark.parametrize("arguments", [[], ["-n1"]], ids=["alone", "parallel"])
def test_a_run_that_is_killed_leaves_no_server_and_no_data(with_native_influx, arguments):
    with started_and_waiting(with_native_influx, *arguments) as (process, url):
        process.kill()
    eventually(lambda: not answers(url), 20, what="the server's end")
    eventually(lambda: with_native_influx.leftovers() == [], 20, what="an empty temporary folder")


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_neither_of_the_two_processes_of_elasticsearch(with_native_elastic):
    with started_and_waiting(with_native_elastic, fixture="elastic_url") as (process, url):
        process.kill()
    eventually(lambda: not answers(url), 20, what="the server's end")
    eventually(lambda: with_native_elastic.leftovers() == [], 20, what="an empty temporary folder")


@pytest.mark.slow
def test_both_processes_of_elasticsearch_die_with_its_holder(with_native_elastic):
    with started_and_waiting(with_native_elastic, fixture="elastic_url") as (_, url):
        kill_holder(with_native_elastic)
        eventually(lambda: not answers(url), 20, what="the server's end")
        eventually(lambda: not with_native_elastic.processes("elasticsearch"), 20, what="the launcher's end")


def test_an_interrupted_run_leaves_no_server_and_no_data(with_native_influx):
    with started_and_waiting(with_native_influx) as (process, url):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert not answers(url)
    eventually(lambda: with_native_influx.leftovers() == [])


def test_a_server_dies_with_its_holder_and_the_next_run_clears_its_data(with_native_influx):
    with started_and_waiting(with_native_influx) as (_, url):
        kill_holder(with_native_influx)
        eventually(lambda: not answers(url), 20, what="the server's end")
    assert with_native_influx.leftovers() != []
    code, _ = with_native_influx.finish("def test_it(): pass")
    assert code == 0
    assert with_native_influx.leftovers() == []


def test_a_server_that_dies_during_the_run_is_reported_as_such(with_native_influx):
    content = """
import os, signal, pathlib, urllib.request, pytest
from fixtures.stores import _url_of
from waiting import eventually
def test_it(influx_url, request):
    own = os.environ["TMPDIR"].encode()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if line.split(b"\\0")[0].endswith(b"influxd") and own in line:
                os.kill(int(entry.name), signal.SIGKILL)
    def reported():
        try:
            _url_of("influx", request.config)
        except pytest.skip.Exception as skipped:
            return "died during the run" in str(skipped)
    assert eventually(reported, 10)
"""
    code, output = with_native_influx.finish(content)
    assert code == 0, output
    assert "NOT RUN" in output
    assert "influxdb died during the run (-9)" in output


def test_a_test_has_a_database_of_its_own(influx_url, influx_database):
    with urllib.request.urlopen(f"{influx_url}/query?q=SHOW%20DATABASES", timeout=10) as answer:
        names = [row[0] for row in json.load(answer)["results"][0]["series"][0]["values"]]
    assert names.count(influx_database) == 1


def test_elasticsearch_names_under_the_prefix_are_free_and_usable(elastic_url, elastic_prefix):
    creation = urllib.request.Request(f"{elastic_url}/{elastic_prefix}-logs", method="PUT")
    with urllib.request.urlopen(creation, timeout=30) as answer:
        assert json.load(answer)["acknowledged"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(creation, timeout=30)
    refused.value.close()
