"""Elasticsearch, from the small distribution that its makers publish for integration tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.request
import zipfile
from pathlib import Path

from native_stores.children import Account, start_child, unprivileged_account
from native_stores.kind import Kind, Launch, NativeStoreError
from native_stores.toolchains import find_java_home, missing_programs

_COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_ARTIFACT = "org.elasticsearch.distribution.integ-test-zip:elasticsearch:{version}:zip"
_DOWNLOAD_WITHIN_S = 1800

# Bound to loopback, Elasticsearch takes itself for a development node and skips its production checks.
_CONFIG = """\
cluster.name: strata-tests
node.name: strata-tests
discovery.type: single-node
network.host: 127.0.0.1
http.port: 0
transport.port: 0
node.portsfile: true
path.data: {work}/data
path.logs: {work}/logs
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
action.destructive_requires_name: false
"""

_JVM_OPTIONS = """\
-Xms512m
-Xmx512m
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-XX:-UsePerfData
-Djava.io.tmpdir={work}/tmp
"""

_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %marker%m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


def java_needed(version: str) -> int:
    return 17 if int(version.split(".", maxsplit=1)[0]) < 9 else 21


def _missing_tools(version: str) -> list[str]:
    missing = missing_programs({"mvn": "Apache Maven (`apt install maven`, `brew install maven`)"})
    if find_java_home(java_needed(version)) is None:
        missing.append(f"no Java {java_needed(version)} or newer: install a JDK, or point JAVA_HOME at one")
    return missing


def _install(version: str, into: Path) -> None:
    with tempfile.TemporaryDirectory(dir=into) as download:
        fetched = subprocess.run(
            [
                "mvn", "-q", "-B", _COPY_GOAL,
                f"-Dartifact={_ARTIFACT.format(version=version)}", f"-DoutputDirectory={download}",
            ],
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_WITHIN_S,
            check=False,
            cwd=download,
        )  # fmt: skip
        if fetched.returncode != 0:
            raise NativeStoreError(f"fetching Elasticsearch {version} failed:\n{fetched.stdout[-2000:]}")
        _unpack(Path(download) / f"elasticsearch-{version}.zip", into)


def _unpack(archive: Path, into: Path) -> None:
    """Without the archive's top folder, and readable for the account that a root user runs the server as."""
    with zipfile.ZipFile(archive) as content:
        for member in content.infolist():
            target = into.joinpath(*Path(member.filename).parts[1:])
            if member.is_dir():
                target.mkdir(exist_ok=True)
                target.chmod(0o755)
                continue
            target.write_bytes(content.read(member))
            target.chmod(0o755 if (member.external_attr >> 16) & 0o100 else 0o644)


def _launch(version: str, home: Path, work: Path) -> Launch:
    java_home = find_java_home(java_needed(version))
    if java_home is None:
        raise NativeStoreError("; ".join(_missing_tools(version)))
    account = unprivileged_account()
    config = _written_config(work)
    if account is not None:
        _refuse_closed_folders(work)
        home = _linked_copy(home, work / "home")
        _give_away(work, account)
    log, ports = work / "elasticsearch.log", work / "logs" / "http.ports"
    ports.unlink(missing_ok=True)
    process = start_child(
        [home / "bin" / "elasticsearch"], log=log, env=_environment(java_home, config, work), account=account
    )

    def find_url() -> str | None:
        addresses = ports.read_text().split() if ports.exists() else []
        return f"http://{addresses[0]}" if addresses else None

    return Launch(process, log, find_url, _is_ready)


def _written_config(work: Path) -> Path:
    config = work / "config"
    for folder in (config, config / "jvm.options.d", work / "data", work / "logs", work / "tmp"):
        folder.mkdir(exist_ok=True)  # of a server that was killed, and goes on where it was
    (config / "elasticsearch.yml").write_text(_CONFIG.format(work=work))
    (config / "jvm.options").write_text(_JVM_OPTIONS.format(work=work))
    (config / "log4j2.properties").write_text(_LOGGING)
    return config


def _environment(java_home: Path, config: Path, work: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(work),
        "ES_JAVA_HOME": str(java_home),
        "ES_PATH_CONF": str(config),
        "ES_TMPDIR": str(work / "tmp"),
    }


def _linked_copy(home: Path, into: Path) -> Path:
    """The same files under a path that the other account may walk, which root's own home is not."""
    if into.exists():
        return into

    def link_or_copy(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy2(source, target)

    shutil.copytree(home, into, copy_function=link_or_copy)
    return into


def _refuse_closed_folders(work: Path) -> None:
    closed = [str(path) for path in work.parents if not path.stat().st_mode & 0o001]
    if closed:
        raise NativeStoreError(
            f"Elasticsearch does not run as root, and another account cannot enter {closed[0]}: set TMPDIR to a folder "
            "that everybody may enter"
        )


def _give_away(work: Path, account: Account) -> None:
    """Hands over what the server writes. Not its home: through a hard link that would give away the cache."""
    os.chown(work, account.uid, account.gid)
    for name in ("config", "data", "logs", "tmp"):
        for path in (work / name, *(work / name).rglob("*")):
            os.chown(path, account.uid, account.gid)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/_cluster/health?wait_for_status=yellow&timeout=1s", timeout=3) as answer:  # noqa: S310 - our own loopback url
            return bool(answer.status == 200)
    except OSError:
        return False


ELASTIC = Kind(
    name="elastic",
    product="elasticsearch",
    default_version="8.19.21",
    missing_tools=_missing_tools,
    install=_install,
    launch=_launch,
)
