"""`strata up` on a data directory, as a test has it."""

from pathlib import Path

from scenario.processes import Process, Tenant, free_port, make_tenant


class Up:
    """A `strata up` on a data directory of its own."""

    def __init__(self, data_dir: Path, log: Path) -> None:
        self.api_port, self.ingest_port = free_port(), free_port()
        self.environment = {
            "STRATA_DATA_DIR": str(data_dir),
            "STRATA_API_PORT": str(self.api_port),
            "STRATA_INGEST_PORT": str(self.ingest_port),
        }
        self.process = Process(["up"], self.environment, log)

    def start(self) -> None:
        self.process.start()
        self.process.wait_until_ready(self.api_port)
        self.process.wait_until_ready(self.ingest_port)

    def tenant(self, slug: str) -> Tenant:
        return make_tenant(slug, self.environment, self.api_port, self.ingest_port)
