"""Real stores that take as long as a test likes for the questions of one organization."""

import threading
from typing import Any

from strata_core.ports.log_store import LogStore
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogPage, LogSearch


class HeldLogStore:
    def __init__(self, store: LogStore, organization_id: OrganizationId) -> None:
        self._store = store
        self._organization_id = organization_id
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.held = 0

    def search(self, search: LogSearch) -> LogPage:
        if search.organization_id == self._organization_id:
            self._count(1)
            try:
                assert self.gate.wait(30), "a test forgot to open the gate"
            finally:
                self._count(-1)
        return self._store.search(search)

    def _count(self, more: int) -> None:
        with self._lock:
            self.held += more

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
