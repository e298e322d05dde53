"""One owner at a time, and nobody else gets in."""

import os
import signal
import stat
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import redis

from fixtures.data_directories import StartOwner
from strata_datamodel.errors import ErrorKind, StrataError
from strata_stores.embedded.directory import (
    DataDirectory,
    DataDirectoryInUse,
    default_data_dir,
    running_instance,
)
from strata_stores.embedded.sockets import ours_alone, socket_directory
from strata_stores.embedded.supervisor import EmbeddedServers


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_owner_is_told_who_the_first_is(server_root: Path, start_owner: StartOwner) -> None:
    first = start_owner(server_root)
    with pytest.raises(DataDirectoryInUse) as refusal, DataDirectory(server_root):
        pass
    error = refusal.value
    assert error.kind is ErrorKind.CONFLICT
    assert f"process {first.process.pid} (owner_process), running since 20" in error.detail
    assert error.hint is not None
    assert f"kill {first.process.pid}" in error.hint
    assert error.owner is not None
    assert abs(error.owner.started_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_second_owner_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with DataDirectory(tmp_path), pytest.raises(DataDirectoryInUse), DataDirectory(tmp_path):
        pass
    with DataDirectory(tmp_path):
        pass


def test_two_names_of_one_directory_have_one_owner(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with DataDirectory(tmp_path / "data"), pytest.raises(DataDirectoryInUse), DataDirectory(tmp_path / "link"):
        pass


def test_a_program_beside_the_owner_finds_its_servers(server_root: Path, start_owner: StartOwner) -> None:
    assert running_instance(server_root) is None
    owner = start_owner(server_root)
    instance = running_instance(server_root)
    assert instance is not None
    assert instance.pid == owner.process.pid
    assert instance.api_url == "http://127.0.0.1:8400"
    assert instance.relational_url is not None
    assert instance.redis_url is not None
    with psycopg.connect(instance.relational_url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("strata",)
    with redis.Redis.from_url(instance.redis_url) as client:
        assert client.ping()
    owner.end(signal.SIGTERM)
    assert running_instance(server_root) is None


def test_a_look_at_the_owner_does_not_turn_a_starting_one_away(tmp_path: Path) -> None:
    for _ in range(200):
        assert running_instance(tmp_path) is None
        with DataDirectory(tmp_path):
            instance = running_instance(tmp_path)
            assert instance is not None
            assert instance.pid == os.getpid()


def test_a_fork_that_outlives_the_owner_does_not_hold_the_directory(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys, time\n"
        "from strata_stores.embedded.directory import DataDirectory, running_instance\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "with DataDirectory(root):\n"
        "    ready, release = os.pipe(), os.pipe()\n"
        "    if os.fork() == 0:\n"
        "        os.write(ready[1], b'x'); os.close(release[1]); os.read(release[0], 1); os._exit(0)\n"
        "    os.read(ready[0], 1)\n"
        "    os.close(release[0])\n"
        "assert running_instance(root) is None, 'still held'\n"
    )
    status = os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", program, str(tmp_path))
    assert status == 0


def test_only_our_account_gets_into_what_we_keep(server_root: Path) -> None:
    old = os.umask(0o000)
    try:
        with DataDirectory(server_root / "new" / "data") as directory, EmbeddedServers(directory) as servers:
            kept = (directory.metrics, directory.logs, directory.spool, directory.archive, directory.keys)
            assert {rights(path) for path in kept} == {0o700}
            servers_own = (directory.postgres, directory.valkey, directory.postgres_socket_dir)
            assert {rights(path) for path in servers_own} == {0o700}
            for path in (directory.root.parent, directory.root, directory.run):
                assert rights(path) & 0o066 == 0, path  # the right to pass may have been given to PostgreSQL's account
            files = [directory.root / name for name in ("owner.lock", "postgres.log", "valkey.log")]
            assert {rights(path) for path in files} == {0o600}
            assert rights(directory.valkey_socket) & 0o077 == 0
            assert rights(directory.postgres_socket_dir / ".s.PGSQL.5432") & 0o077 == 0
            assert servers.valkey.pid is not None
    finally:
        os.umask(old)


def test_servers_run_below_a_path_too_deep_for_sockets(server_root: Path) -> None:
    deep = server_root / ("d" * 60) / ("e" * 60)
    with DataDirectory(deep) as directory, EmbeddedServers(directory) as servers:
        outside = directory.run
        assert outside.parent == Path(tempfile.gettempdir()).resolve()
        assert rights(outside) & 0o066 == 0
        with psycopg.connect(servers.urls.relational_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with redis.Redis.from_url(servers.urls.redis_url) as client:
            assert client.ping()
    assert not outside.exists()


def test_two_deep_directories_have_two_places_for_sockets(server_root: Path) -> None:
    places = [socket_directory(server_root / name / ("d" * 100)) for name in ("a", "b")]
    try:
        assert places[0] != places[1]
    finally:
        for place in places:
            place.rmdir()


def test_names_with_spaces_quotes_and_percent_signs_are_only_names(server_root: Path) -> None:
    odd = server_root / 'it\'s 100% "mine", é'
    with DataDirectory(odd) as directory, EmbeddedServers(directory) as servers:
        with psycopg.connect(servers.urls.relational_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with redis.Redis.from_url(servers.urls.redis_url) as client:
            assert client.ping()


def test_a_socket_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "name").symlink_to(tmp_path / "target")
    with pytest.raises(StrataError) as refusal:
        ours_alone(tmp_path / "name")
    assert refusal.value.code == "socket_directory_taken"


def test_a_socket_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "name"
    theirs.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(theirs, 12345, 12345)
    else:
        theirs = Path("/usr")
    with pytest.raises(StrataError) as refusal:
        ours_alone(theirs)
    assert refusal.value.code == "socket_directory_taken"


def test_a_socket_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "name").mkdir()
    (tmp_path / "name").chmod(0o770)
    with pytest.raises(StrataError):
        ours_alone(tmp_path / "name")


def test_a_root_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StrataError) as refusal, DataDirectory(tmp_path):
        pass
    assert refusal.value.code == "data_directory_unusable"


def test_a_file_in_the_way_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StrataError) as refusal, DataDirectory(tmp_path / "data"):
        pass
    assert refusal.value.code == "data_directory_unusable"
    assert refusal.value.hint is not None


def test_announcing_without_owning_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StrataError):
        DataDirectory(tmp_path).announce(api_url="http://127.0.0.1:1")


def test_the_default_is_named_after_the_product() -> None:
    assert default_data_dir().name == "strata"
