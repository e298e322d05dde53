"""Real servers, ended in every way a server ends."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from fixtures.data_directories import is_running
from strata_datamodel.errors import StrataError
from strata_stores.embedded.directory import DataDirectory
from strata_stores.embedded.orphans import processes_in
from strata_stores.embedded.supervisor import EmbeddedServers, EmbeddedUrls
from strata_stores.embedded.watch import ServerStatus, pause_s
from waiting import eventually


@pytest.fixture
def directory(server_root: Path) -> Iterator[DataDirectory]:
    with DataDirectory(server_root / "data") as held:
        yield held


def remember(urls: EmbeddedUrls, word: str) -> None:
    with psycopg.connect(urls.relational_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS memory (word text)")
        connection.execute("INSERT INTO memory VALUES (%s)", [word])
    with redis.Redis.from_url(urls.redis_url) as client:
        client.set(word, 1)


def recalled(urls: EmbeddedUrls) -> tuple[list[str], list[str]]:
    with psycopg.connect(urls.relational_url) as connection:
        rows = connection.execute("SELECT word FROM memory ORDER BY word").fetchall()
    with redis.Redis.from_url(urls.redis_url, decode_responses=True) as client:
        return [row[0] for row in rows], sorted(client.keys())


def recalled_if_up(urls: EmbeddedUrls) -> tuple[list[str], list[str]] | None:
    try:
        return recalled(urls)
    except psycopg.OperationalError:
        return None


def status_of(servers: EmbeddedServers, name: str) -> ServerStatus:
    return next(status for status in servers.status() if status.name == name)


def wait_for_restart(servers: EmbeddedServers, name: str, count: int = 1) -> ServerStatus:
    def restarted() -> ServerStatus | None:
        status = status_of(servers, name)
        return status if status.is_ready and status.restarts >= count else None

    status = eventually(restarted, 60, what=f"{name} restarted")
    assert status is not None
    return status


def test_what_was_committed_is_there_after_a_stop_and_a_start(directory: DataDirectory) -> None:
    with EmbeddedServers(directory) as servers:
        remember(servers.urls, "kept")
    with EmbeddedServers(directory) as servers:
        assert recalled(servers.urls) == (["kept"], ["kept"])


def test_a_second_start_is_ready_in_under_ten_seconds(directory: DataDirectory) -> None:
    with EmbeddedServers(directory):
        pass
    before = time.monotonic()
    with EmbeddedServers(directory):
        assert time.monotonic() - before < 10


def test_a_killed_postgres_comes_back_with_all_it_had_committed(directory: DataDirectory) -> None:
    restarted: list[str] = []
    with EmbeddedServers(directory, on_restart=restarted.append) as servers:
        remember(servers.urls, "committed")
        valkey_pid = servers.valkey.pid
        killed = servers.postgres.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        status = wait_for_restart(servers, "postgres")
        assert status.pid not in {killed, None}
        assert "signal 9" in status.last_reason
        assert recalled(servers.urls) == (["committed"], ["committed"])
        assert eventually(lambda: restarted) == ["postgres"]
        assert servers.valkey.pid == valkey_pid
        assert status_of(servers, "valkey").restarts == 0


def test_a_killed_valkey_comes_back_with_what_it_had_synced(directory: DataDirectory) -> None:
    with EmbeddedServers(directory, valkey_settings={"appendfsync": "always"}) as servers:
        remember(servers.urls, "synced")
        postgres_pid = servers.postgres.pid
        assert servers.valkey.pid is not None
        os.kill(servers.valkey.pid, signal.SIGKILL)
        assert "signal 9" in wait_for_restart(servers, "valkey").last_reason
        assert recalled(servers.urls) == (["synced"], ["synced"])
        assert servers.postgres.pid == postgres_pid


def test_a_server_is_restarted_as_often_as_it_is_killed(directory: DataDirectory) -> None:
    with EmbeddedServers(directory) as servers:
        for count in (1, 2, 3):
            assert servers.valkey.pid is not None
            os.kill(servers.valkey.pid, signal.SIGKILL)
            wait_for_restart(servers, "valkey", count)
        assert status_of(servers, "valkey").restarts == 3


def test_a_backend_that_crashes_is_postgres_own_affair(directory: DataDirectory) -> None:
    with EmbeddedServers(directory, check_every_s=0.05) as servers:
        remember(servers.urls, "committed")
        with psycopg.connect(servers.urls.relational_url) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        assert eventually(lambda: recalled_if_up(servers.urls)) == (["committed"], ["committed"])
        eventually(lambda: status_of(servers, "postgres").is_ready)
        assert status_of(servers, "postgres").restarts == 0


def test_a_stop_during_crash_recovery_does_not_take_long(directory: DataDirectory) -> None:
    with EmbeddedServers(directory) as servers:
        with psycopg.connect(servers.urls.relational_url) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        before = time.monotonic()
    assert time.monotonic() - before < 8


@pytest.mark.slow
def test_a_postgres_that_hangs_is_replaced(directory: DataDirectory) -> None:
    with EmbeddedServers(directory, check_every_s=0.05) as servers:
        remember(servers.urls, "committed")
        frozen = servers.postgres.pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        status = wait_for_restart(servers, "postgres")
        assert "checks failed" in status.last_reason
        eventually(lambda: not is_running(frozen), 10, what="its end")
        assert recalled(servers.urls) == (["committed"], ["committed"])


def test_nothing_runs_after_a_stop_and_a_second_stop_is_nothing(directory: DataDirectory) -> None:
    servers = EmbeddedServers(directory)
    servers.start()
    pids = [status.pid for status in servers.status()]
    servers.stop()
    servers.stop()
    eventually(lambda: not any(is_running(pid) for pid in pids if pid is not None), 10, what="their end")
    assert [status.is_ready for status in servers.status()] == [False, False]


def test_a_failed_start_says_why_and_leaves_nothing_running(directory: DataDirectory) -> None:
    servers = EmbeddedServers(directory, valkey_settings={"maxmemory-policy": "nonsense"})
    with pytest.raises(StrataError, match="maxmemory-policy") as failure:
        servers.start()
    assert failure.value.code == "valkey_start"
    assert failure.value.hint is not None
    assert processes_in(directory.postgres, "postgres") == []


def test_a_damaged_append_file_is_set_aside_and_valkey_starts_empty(directory: DataDirectory) -> None:
    with EmbeddedServers(directory) as servers:
        remember(servers.urls, "lost")
    manifest = next((directory.valkey / "appendonlydir").glob("*.manifest"))
    manifest.write_text("nonsense\n")
    with EmbeddedServers(directory) as servers:
        assert recalled(servers.urls) == (["lost"], [])
    assert (directory.valkey / "appendonlydir.damaged").is_dir()


def test_restarts_in_a_row_are_spaced_further_and_further_up_to_a_cap() -> None:
    assert [pause_s(count) for count in range(9)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pause_s(10_000) == 30
