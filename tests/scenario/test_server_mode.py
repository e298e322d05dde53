"""One process a role, on native InfluxDB, Elasticsearch, PostgreSQL and Valkey: the same story."""

import base64
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.pager import webhook_receiver
from fixtures.relational import Database
from scenario import story
from scenario.processes import Process, Tenant, command, free_port, make_tenant

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scenario-server"), pytest.mark.timeout(300)]


@dataclass
class Deployment:
    environment: dict[str, str]
    api: Process
    ingest: Process
    worker: Process
    api_port: int
    ingest_port: int
    worker_port: int

    def start(self) -> None:
        for process in (self.api, self.ingest, self.worker):
            process.start()
        self.api.wait_until_ready(self.api_port)
        self.ingest.wait_until_ready(self.ingest_port)
        self.worker.wait_until_ready(self.worker_port)

    def stop(self) -> None:
        codes = [process.stop() for process in (self.ingest, self.worker, self.api)]
        assert codes == [0, 0, 0], self.api.log()[-2000:] + self.ingest.log()[-2000:] + self.worker.log()[-2000:]

    def tenant(self, slug: str) -> Tenant:
        return make_tenant(slug, self.environment, self.api_port, self.ingest_port)


@pytest.fixture
def spool_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="strata-server-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def deployment(
    tmp_path: Path,
    spool_dir: Path,
    empty_database: Database,
    embedded_valkey,
    influx_url: str,
    influx_database: str,
    elastic_url: str,
    elastic_prefix: str,
) -> Iterator[Deployment]:
    environment = {
        "STRATA_DATA_DIR": str(spool_dir),
        "STRATA_RELATIONAL_URL": empty_database.admin_url,
        "STRATA_REDIS_URL": embedded_valkey.url(),
        "STRATA_METRICS_URL": influx_url,
        "STRATA_METRICS_DATABASE": influx_database,
        "STRATA_LOGS_URL": elastic_url,
        "STRATA_LOGS_PREFIX": elastic_prefix,
        "STRATA_ARCHIVE_URL": (spool_dir / "archive").as_uri(),
        "STRATA_WRAPPING_KEY": base64.b64encode(b"k" * 32).decode(),
    }
    api_port, ingest_port, worker_port = free_port(), free_port(), free_port()
    roles = Deployment(
        environment,
        Process(["api", "--api-port", str(api_port)], environment, tmp_path / "api.log"),
        Process(["ingest", "--ingest-port", str(ingest_port)], environment, tmp_path / "ingest.log"),
        Process(["worker", "--probe-port", str(worker_port)], environment, tmp_path / "worker.log"),
        api_port,
        ingest_port,
        worker_port,
    )
    migrated = command(["db", "upgrade", "--json"], environment)
    assert migrated.returncode == 0, migrated.stderr + migrated.stdout
    roles.start()
    yield roles
    roles.stop()


def find_all_well(deployment: Deployment) -> None:
    """By a doctor that tries every store and asks for the time."""
    doctor = command(["doctor", "--json"], deployment.environment)
    findings = {finding["subject"]: finding for finding in json.loads(doctor.stdout)["findings"]}
    for store in ("postgres", "redis", "metrics", "logs", "archive", "spool"):
        assert findings[f"{store} rights"]["is_well"], findings
    for store in ("postgres", "redis", "metrics", "logs"):
        assert findings[f"{store} clock"]["is_well"], findings
    assert findings["metrics"]["version"]
    assert "of its fullest node" in findings["logs disk"]["detail"]


def test_the_thin_path_through_separate_processes_in_which_a_doctor_finds_all_well(deployment):
    find_all_well(deployment)
    acme, globex = deployment.tenant("acme"), deployment.tenant("globex")
    try:
        with webhook_receiver() as receiver:
            story.tell(acme, globex, receiver)
    finally:
        acme.close()
        globex.close()


@pytest.mark.parametrize("role", ["api", "ingest", "worker"])
def test_a_role_of_its_own_refuses_embedded_stores_and_says_which(role, tmp_path):
    refused = command([role], {"STRATA_DATA_DIR": str(tmp_path)})
    assert refused.returncode == 2
    assert "STRATA_METRICS_URL" in refused.stderr
    assert "strata up" in refused.stderr
