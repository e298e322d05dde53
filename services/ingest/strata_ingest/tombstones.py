"""Which organizations are closed for good: looked up each second, so that no process takes in anything of theirs."""

import threading
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from strata_core.organizations.tombstones import tombstones_since
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.errors import StrataError, UnauthenticatedError
from strata_datamodel.ids import OrganizationId

_PAUSE_S: Final = 1.0
_OVERLAP: Final = timedelta(minutes=5)
"""Longer than a transaction may last that puts one up: it is dated from its beginning, and seen from its end."""
_log = structlog.get_logger(__name__)


class Closed(Protocol):
    @property
    def standing(self) -> frozenset[OrganizationId]:
        """Those that are closed for good. It only grows."""
        ...

    @property
    def gone(self) -> frozenset[OrganizationId]:
        """Those of them of which nothing is left in any store, so that what is found there came too late."""
        ...

    @property
    def is_known(self) -> bool:
        """False until they were read once: nothing that an earlier process left may be landed before."""
        ...


class NoneClosed:
    standing: frozenset[OrganizationId] = frozenset()
    gone: frozenset[OrganizationId] = frozenset()
    is_known = True


def refuse_closed(closed: Closed, organization_id: OrganizationId) -> None:
    """Raises UnauthenticatedError: the keys of an organization go with it."""
    if organization_id in closed.standing:
        raise UnauthenticatedError("the key's organization was deleted", code="organization_deleted")


class Tombstones:
    """Neither set shrinks. While the database cannot be asked it stays as it was."""

    def __init__(self, units: SystemUnitsOfWork, *, pause_s: float = _PAUSE_S) -> None:
        self._units = units
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._newest: datetime | None = None
        self._standing: frozenset[OrganizationId] = frozenset()
        self._gone: frozenset[OrganizationId] = frozenset()
        self._is_known = False

    @property
    def standing(self) -> frozenset[OrganizationId]:
        return self._standing

    @property
    def gone(self) -> frozenset[OrganizationId]:
        return self._gone

    @property
    def is_known(self) -> bool:
        return self._is_known

    def look(self) -> None:
        """Raises as the database does."""
        since = None if self._newest is None else self._newest - _OVERLAP
        with self._units.system() as uow:
            found = tombstones_since(uow, since)
        if found:
            self._newest = max(each.deleted_at or each.stood_at for each in found)
            self._standing |= {each.organization_id for each in found}
            self._gone |= {each.organization_id for each in found if each.deleted_at is not None}
        self._is_known = True

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tombstones", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(30)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except StrataError as error:
                _log.warning("tombstones_not_read", error=error.detail)
            except Exception as error:  # noqa: BLE001 - the loop of the process: late records would come back
                _log.error("tombstones_failed", exc_info=error)
            self._stopping.wait(self._pause_s)
