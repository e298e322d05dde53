import threading
from dataclasses import replace
from pathlib import Path

import pytest

from native_stores.cache import ensure_installed, home_of, is_installed
from native_stores.catalogue import KINDS
from native_stores.kind import NativeStoreError
from native_stores.toolchains import find_java_home, missing_programs
from waiting import eventually


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STRATA_TEST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kind_that_installs_by(install):
    return replace(KINDS["influx"], missing_tools=lambda _version: [], install=install)


def write_server(_version: str, into: Path) -> None:
    (into / "server").write_text("binary")


def test_an_install_is_found_again_and_not_done_twice():
    installs = []
    kind = kind_that_installs_by(lambda version, into: (installs.append(version), write_server(version, into)))
    assert not is_installed(kind, "1")
    assert (ensure_installed(kind, "1") / "server").read_text() == "binary"
    assert ensure_installed(kind, "1") == home_of(kind, "1")
    assert installs == ["1"]
    assert not is_installed(kind, "2")


def test_a_failed_install_leaves_nothing_that_looks_installed(cache):
    def fail_half_way(version, into):
        write_server(version, into)
        raise NativeStoreError("line down")

    with pytest.raises(NativeStoreError, match="line down"):
        ensure_installed(kind_that_installs_by(fail_half_way), "1")
    assert not home_of(KINDS["influx"], "1").exists()
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
    assert (ensure_installed(kind_that_installs_by(write_server), "1") / "server").exists()


def test_what_a_killed_install_left_is_cleared_by_the_next(cache):
    abandoned = cache / ".installing-influxdb-1-xyz"
    abandoned.mkdir(parents=True)
    home_of(KINDS["influx"], "1").mkdir()  # as if half copied by hand: no marker
    ensure_installed(kind_that_installs_by(write_server), "1")
    assert not abandoned.exists()
    assert is_installed(KINDS["influx"], "1")


def test_two_at_once_install_once():
    installs = []
    other_is_coming = threading.Event()

    def install(version, into):
        installs.append(version)
        assert other_is_coming.wait(5)
        write_server(version, into)

    kind = kind_that_installs_by(install)
    first = threading.Thread(target=ensure_installed, args=[kind, "1"])
    first.start()
    eventually(lambda: installs, 5)
    second = threading.Thread(target=lambda: (other_is_coming.set(), ensure_installed(kind, "1")))
    second.start()
    first.join()
    second.join()
    assert installs == ["1"]


def test_a_missing_tool_is_named_with_what_provides_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NativeStoreError, match=r"cannot install influxdb 1\.8\.10: `go` is not on PATH: install Go"):
        ensure_installed(KINDS["influx"], "1.8.10")
    with pytest.raises(NativeStoreError, match="install Apache Maven"):
        ensure_installed(KINDS["elastic"], "8.19.21")
    assert missing_programs({"mvn": "Apache Maven"}) == ["`mvn` is not on PATH: install Apache Maven"]


def test_java_home_is_taken_when_it_is_new_enough_only(tmp_path, monkeypatch):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"99.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java_home(98) == tmp_path
    assert find_java_home(100) is None
