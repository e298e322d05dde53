"""The same servers as containers, for machines that have a Docker engine."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_ENGINE_ANSWERS_WITHIN_S = 1.0
_SOCKETS = ("/var/run/docker.sock", "~/.docker/run/docker.sock")


@dataclass(frozen=True)
class Image:
    name: str
    port: int
    ready_path: str
    ready_status: int
    environment: dict[str, str] = field(default_factory=dict)
    command: str | None = None


IMAGES = {
    "influx": Image(
        name="influxdb:{version}",
        port=8086,
        ready_path="/ping",
        ready_status=204,
        environment={
            "INFLUXDB_REPORTING_DISABLED": "true",
            "INFLUXDB_HTTP_FLUX_ENABLED": "true",
            "INFLUXDB_MONITOR_STORE_ENABLED": "false",
        },
    ),
    "elastic": Image(
        name="elasticsearch:{version}",
        port=9200,
        ready_path="/_cluster/health?wait_for_status=yellow&timeout=1s",
        ready_status=200,
        environment={
            "discovery.type": "single-node",
            "xpack.security.enabled": "false",
            "xpack.ml.enabled": "false",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "action.destructive_requires_name": "false",
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
        },
    ),
    "prometheus": Image(
        name="prom/prometheus:v{version}",
        port=9090,
        ready_path="/-/ready",
        ready_status=200,
        command="--config.file=/etc/prometheus/prometheus.yml --web.enable-remote-write-receiver",
    ),
}


def find_engine() -> str | None:
    """The address of a Docker engine that answers now. Takes a second at worst, and nothing where there is none."""
    named = os.environ.get("DOCKER_HOST")
    candidates = [named] if named else [f"unix://{Path(path).expanduser()}" for path in _SOCKETS]
    return next((address for address in candidates if _answers(address)), None)


def start_container(name: str, version: str, engine: str) -> tuple[str, Callable[[], None]]:
    """The URL of the running container, and what stops it. Should this process be killed, Ryuk stops it."""
    os.environ["DOCKER_HOST"] = engine
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow to load, and reads DOCKER_HOST then
    from testcontainers.core.wait_strategies import HttpWaitStrategy  # noqa: PLC0415

    image = IMAGES[name]
    ready = HttpWaitStrategy(image.port, image.ready_path).for_status_code(image.ready_status)
    container = DockerContainer(image.name.format(version=version)).with_exposed_ports(image.port).waiting_for(ready)
    for key, value in image.environment.items():
        container.with_env(key, value)
    if image.command is not None:
        container.with_command(image.command)
    try:
        container.start()
    except BaseException:
        container.stop()
        raise
    return f"http://{container.get_container_host_ip()}:{container.get_exposed_port(image.port)}", container.stop


def _answers(address: str) -> bool:
    try:
        with _connect(address) as connection:
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    if parts.scheme != "unix":
        return socket.create_connection((parts.hostname or "", parts.port or 2375), _ENGINE_ANSWERS_WITHIN_S)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_ENGINE_ANSWERS_WITHIN_S)
        connection.connect(parts.path)
    except BaseException:
        connection.close()
        raise
    return connection
