"""infra/valkey starts a server that keeps strangers out and evicts nothing but what has a time to live."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import redis

from strata_stores.embedded.wheels import valkey_program
from waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def path():
    """Of its socket; the port is turned off, since two runs could choose the same."""
    directory = Path(tempfile.mkdtemp(prefix="strata-"))  # pytest's own paths are too long for a socket
    (directory / "redis_password").write_text(PASSWORD)
    socket_path, whole, here = directory / "valkey.sock", directory / "whole.conf", directory / "here.conf"
    here.write_text(f"port 0\nunixsocket {socket_path}\ndir {directory}\n")
    process = subprocess.Popen(
        ["/bin/sh", ROOT / "infra/valkey/start", ROOT / "infra/valkey/valkey.conf", here],
        env={
            **os.environ,
            "PATH": f"{valkey_program().parent}:{os.environ['PATH']}",
            "PASSWORDS": str(directory),
            "WHOLE_CONFIGURATION": str(whole),
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _answers(socket_path), what="Valkey")
        assert whole.stat().st_mode & 0o077 == 0, "others may read the password"
        yield socket_path
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(directory)


def _answers(path: Path) -> bool:
    with redis.Redis(unix_socket_path=str(path), password=PASSWORD) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def test_nobody_gets_in_without_the_password(path):
    with redis.Redis(unix_socket_path=str(path)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_it_evicts_only_what_has_a_time_to_live(path):
    with redis.Redis(unix_socket_path=str(path), password=PASSWORD, decode_responses=True) as client:
        got = client.config_get("maxmemory-policy", "appendonly", "maxmemory")
    assert got == {"maxmemory-policy": "volatile-lru", "appendonly": "yes", "maxmemory": str(256 * 1024 * 1024)}


def test_no_password_is_no_start(tmp_path):
    (tmp_path / "redis_password").write_text("")
    environment = {**os.environ, "PASSWORDS": str(tmp_path), "WHOLE_CONFIGURATION": str(tmp_path / "whole.conf")}
    result = subprocess.run(
        ["/bin/sh", ROOT / "infra/valkey/start", ROOT / "infra/valkey/valkey.conf"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "redis_password is empty" in result.stderr
