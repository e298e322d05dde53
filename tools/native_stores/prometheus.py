"""Prometheus 2.42, as Debian packages it: what PromQL is compared with."""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from pathlib import Path

from native_stores.children import start_child
from native_stores.kind import Kind, Launch, NativeStoreError
from native_stores.toolchains import missing_programs

_PROGRAM = "prometheus"
_LISTENING = re.compile(rb'msg="Listening on" address=127\.0\.0\.1:(\d+)')


def _missing_tools(version: str) -> list[str]:
    return missing_programs({_PROGRAM: "Prometheus (`apt-get install --no-install-recommends prometheus`)"})


def _install(version: str, into: Path) -> None:
    """The package's own program: it is a system's package manager that installs it."""
    found = shutil.which(_PROGRAM)
    if found is None:
        raise NativeStoreError(_missing_tools(version)[0])
    (into / _PROGRAM).symlink_to(found)


def _launch(version: str, home: Path, work: Path) -> Launch:
    config = work / "prometheus.yml"
    config.write_text("global: {}\n")
    log = work / "prometheus.log"
    process = start_child(
        [
            home / _PROGRAM,
            f"--config.file={config}",
            f"--storage.tsdb.path={work / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--web.enable-remote-write-receiver",
        ],
        log=log,
        env=dict(os.environ),
    )

    def find_url() -> str | None:
        found = _LISTENING.search(log.read_bytes())
        return f"http://127.0.0.1:{int(found[1])}" if found else None

    return Launch(process, log, find_url, _is_ready)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/-/ready", timeout=2) as answer:  # noqa: S310 - our own loopback url
            return bool(answer.status == 200)
    except OSError:
        return False


PROMETHEUS = Kind(
    name="prometheus",
    product="prometheus",
    default_version="2.42.0",
    missing_tools=_missing_tools,
    install=_install,
    launch=_launch,
)
