"""The one error tree. An error says what happened, under a stable code, and what the user can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ErrorKind(StrEnum):
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    INVALID = "invalid"
    PRECONDITION = "precondition"
    PRECONDITION_MISSING = "precondition_missing"
    TOO_LARGE = "too_large"
    LIMIT = "limit"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong inside a request, and where: a JSON pointer, a line number, a setting's name."""

    where: str
    detail: str


class StrataError(Exception):
    """`code` is stable and part of the API; `detail` is for people; `hint` says what to do next."""

    kind: ErrorKind = ErrorKind.INVALID
    code: str = "invalid"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        problems: Sequence[Problem] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.hint = hint
        self.problems = tuple(problems)
        self.retry_after_s = retry_after_s


class NotFoundError(StrataError):
    kind = ErrorKind.NOT_FOUND
    code = "not_found"


class ConflictError(StrataError):
    kind = ErrorKind.CONFLICT
    code = "conflict"


class UnauthenticatedError(StrataError):
    kind = ErrorKind.UNAUTHENTICATED
    code = "unauthenticated"


class DeniedError(StrataError):
    kind = ErrorKind.DENIED
    code = "denied"


class InvalidError(StrataError):
    kind = ErrorKind.INVALID
    code = "invalid"


class PreconditionError(StrataError):
    """The caller's version of an entity is not the current one."""

    kind = ErrorKind.PRECONDITION
    code = "stale_version"


class PreconditionMissingError(StrataError):
    kind = ErrorKind.PRECONDITION_MISSING
    code = "if_match_required"


class TooLargeError(StrataError):
    kind = ErrorKind.TOO_LARGE
    code = "too_large"


class LimitError(StrataError):
    """A named limit was reached; `hint` names it."""

    kind = ErrorKind.LIMIT
    code = "limit_reached"


class UnavailableError(StrataError):
    """Something needed is down or full. Safe to retry after `retry_after_s`."""

    kind = ErrorKind.UNAVAILABLE
    code = "unavailable"


class DeadlineError(StrataError):
    kind = ErrorKind.TIMEOUT
    code = "deadline_exceeded"


class CallerLeftError(StrataError):
    """Whoever asked has gone: what was done for them was stopped, which says nothing about the store."""

    kind = ErrorKind.TIMEOUT
    code = "caller_left"


class StoreUnavailableError(UnavailableError):
    """A store did not answer, or its breaker is open. Nothing may be concluded about what it holds."""

    code = "store_unavailable"

    def __init__(self, store: str, detail: str, *, retry_after_s: int = 5) -> None:
        super().__init__(f"{store}: {detail}", retry_after_s=retry_after_s)
        self.store = store


class StoreBusyError(StoreUnavailableError):
    """All connections that this process may have to the store are in use. Says nothing about the store."""

    code = "store_busy"


class StoreRefusedError(StrataError):
    """A store answered, and refused for good: retrying the same request cannot help."""

    code = "store_refused"

    def __init__(self, store: str, detail: str) -> None:
        super().__init__(f"{store}: {detail}")
        self.store = store


class SpoolFullError(UnavailableError):
    code = "spool_full"
