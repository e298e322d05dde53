"""InfluxDB 1.8, compiled from its published Go module."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from pathlib import Path

from native_stores.children import start_child
from native_stores.kind import Kind, Launch, NativeStoreError
from native_stores.toolchains import missing_programs

_MODULE = "github.com/influxdata/influxdb/cmd/influxd"
_LISTENING = re.compile(rb"Listening on HTTP.*addr=(?:\[::\]|127\.0\.0\.1):(\d+)")
_BUILD_WITHIN_S = 1800

_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "{data}/meta"
[data]
  dir = "{data}/data"
  wal-dir = "{data}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:0"
  flux-enabled = true
  log-enabled = false
[logging]
  format = "logfmt"
  level = "info"
"""


def _missing_tools(version: str) -> list[str]:
    return missing_programs({"go": "Go 1.21 or newer (https://go.dev/dl)"})


def _install(version: str, into: Path) -> None:
    built = subprocess.run(
        # A release says its version in X-Influxdb-Version, which clients read; a plain build says "unknown".
        ["go", "install", "-ldflags", f"-s -w -X main.version={version}", f"{_MODULE}@v{version}"],
        env=os.environ | {"GOBIN": str(into)},
        capture_output=True,
        text=True,
        timeout=_BUILD_WITHIN_S,
        check=False,
    )
    if built.returncode != 0:
        raise NativeStoreError(f"building InfluxDB {version} failed:\n{built.stderr[-2000:]}")


def _launch(version: str, home: Path, work: Path) -> Launch:
    config = work / "influxdb.conf"
    config.write_text(_CONFIG.format(data=work))
    log = work / "influxd.log"
    process = start_child([home / "influxd", "-config", config], log=log, env=dict(os.environ))

    def find_url() -> str | None:
        found = _LISTENING.search(log.read_bytes())
        return f"http://127.0.0.1:{int(found[1])}" if found else None

    return Launch(process, log, find_url, _is_ready)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/ping", timeout=2) as answer:  # noqa: S310 - our own loopback url
            return bool(answer.status == 204)
    except OSError:
        return False


INFLUX = Kind(
    name="influx",
    product="influxdb",
    default_version="1.8.10",
    missing_tools=_missing_tools,
    install=_install,
    launch=_launch,
)
