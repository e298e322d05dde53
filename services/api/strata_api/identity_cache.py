"""Remembers for seconds who a credential is and what it may do where, so that a request costs one transaction: its own.

What was forgotten or has expired is asked for again: a change made by this process is seen at once, and one made
elsewhere within `fresh`, or earlier when it is told.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request

from strata_api.authentication import Principal, session_hash
from strata_core.access.hints import ANY_SESSION, AccessHint, Hear
from strata_core.access.queries import KeyIdentity
from strata_core.context import Context
from strata_core.organizations.queries import Organization
from strata_core.ports.clock import Clock
from strata_core.ports.rate_limiter import Bucket
from strata_datamodel.errors import UnauthenticatedError
from strata_datamodel.ids import OrganizationId, UserId

_FRESH: Final = timedelta(seconds=5)
_REFUSED: Final = timedelta(seconds=1)
_ENTRIES: Final = 10_000
_REFUSALS: Final = 1_000
_NAME_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody in an organization. The context is that of the request which was asked about."""

    principal: Principal
    ctx: Context
    organization: Organization
    buckets: tuple[Bucket, ...]

    @property
    def ends_at(self) -> datetime | None:
        principal = self.principal
        if isinstance(principal, KeyIdentity):
            return principal.expires_at
        return min(principal.idle_expires_at, principal.expires_at)


@dataclass(frozen=True, slots=True)
class _Entry:
    """Counts between two instants: a clock that is set back makes nothing last longer."""

    entered: Entered
    since: datetime
    until: datetime


def fingerprint(request: Request) -> bytes | None:
    """What the credential is held under: never the credential. None for a request without one."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return session_hash(request)
    return fingerprint_of_header(authorization.encode("latin-1", "replace"))


def fingerprint_of_header(authorization: bytes) -> bytes:
    """Prefixed, so that no header's hash can be taken for a session's."""
    return hashlib.sha256(b"authorization " + authorization).digest()


class IdentityCache:
    """`tell` passes on what was forgotten here, for other processes to `hear`."""

    def __init__(
        self,
        clock: Clock,
        *,
        tell: Hear = lambda _: None,
        fresh: timedelta = _FRESH,
        entries: int = _ENTRIES,
    ) -> None:
        self._clock = clock
        self._tell = tell
        self._fresh = fresh
        self._max_entries = entries
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[bytes, str], _Entry] = OrderedDict()
        self._refusals: OrderedDict[bytes, tuple[datetime, UnauthenticatedError]] = OrderedDict()
        self._generation = 0

    @property
    def generation(self) -> int:
        """Taken before asking the database: an answer from before something was forgotten is not kept."""
        return self._generation

    def find(self, print_: bytes, organization: str) -> Entered | None:
        """Raises UnauthenticatedError when the credential was refused a moment ago."""
        now = self._clock.now()
        entry = self._entries.get((print_, organization))
        if entry is not None:
            return entry.entered if entry.since <= now < entry.until else None
        refusal = self._refusals.get(print_)
        if refusal is not None and refusal[0] <= now < refusal[0] + _REFUSED:
            error = refusal[1]
            raise UnauthenticatedError(error.detail, code=error.code, hint=error.hint)
        return None

    def keep(self, print_: bytes, organization: str, entered: Entered, generation: int) -> None:
        if len(organization) > _NAME_LENGTH:
            return
        with self._lock:
            if generation != self._generation:
                return
            now = self._clock.now()
            until = min(filter(None, (entered.ends_at, now + self._fresh)))
            self._entries[print_, organization] = _Entry(entered, now, until)
            self._entries.move_to_end((print_, organization))
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def refuse(self, print_: bytes, error: UnauthenticatedError) -> None:
        """Apart from those who are known: a flood of junk must not push them out."""
        with self._lock:
            self._refusals[print_] = (self._clock.now(), error)
            while len(self._refusals) > _REFUSALS:
                self._refusals.popitem(last=False)

    def forget_organization(self, organization_id: OrganizationId) -> None:
        self._forget_and_tell(AccessHint(organization_id=organization_id))

    def forget_person(self, user_id: UserId) -> None:
        self._forget_and_tell(AccessHint(user_id=user_id))

    def forget_sessions(self) -> None:
        self._forget_and_tell(ANY_SESSION)

    def hear(self, hint: AccessHint) -> None:
        """Of a change that was made elsewhere."""
        if hint.organization_id is not None:
            self._forget(lambda entered: entered.organization.id == hint.organization_id)
        elif hint.user_id is not None:
            self._forget(lambda entered: getattr(entered.principal, "user_id", None) == hint.user_id)
        else:
            self._forget(lambda entered: not isinstance(entered.principal, KeyIdentity))

    def _forget_and_tell(self, hint: AccessHint) -> None:
        self.hear(hint)
        self._tell(hint)

    def _forget(self, is_meant: Callable[[Entered], bool]) -> None:
        with self._lock:
            self._generation += 1
            self._refusals.clear()
            for key in [key for key, entry in self._entries.items() if is_meant(entry.entered)]:
                del self._entries[key]
