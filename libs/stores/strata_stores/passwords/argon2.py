"""argon2id in a pool of its own: a hash takes tens of MiB and of milliseconds; nobody may order hundreds at once."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from secrets import token_bytes
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from strata_core.ports.password_hasher import PasswordVerdict
from strata_datamodel.errors import UnavailableError
from strata_datamodel.limits import PASSWORD_HASHES_AT_ONCE, PASSWORD_HASHES_WAITING, PASSWORD_TIMEOUT_S

T = TypeVar("T")

# OWASP ASVS 5.0 appendix C: argon2id with t=1, m=46 MiB, p=1 or stronger.
_TIME_COST = 1
_MEMORY_KIB = 47_104
_PARALLELISM = 1


class Argon2PasswordHasher:
    def __init__(
        self,
        *,
        time_cost: int = _TIME_COST,
        memory_kib: int = _MEMORY_KIB,
        at_once: int = PASSWORD_HASHES_AT_ONCE,
        waiting: int = PASSWORD_HASHES_WAITING,
        timeout_s: float = PASSWORD_TIMEOUT_S,
    ) -> None:
        self._argon2 = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=_PARALLELISM)
        self._pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="password")
        self._places = BoundedSemaphore(at_once + waiting)
        self._timeout_s = timeout_s
        self._decoy = self._argon2.hash(token_bytes(32))

    def hash(self, password: str) -> str:
        return self._run(lambda: self._argon2.hash(_encoded(password)))

    def verify(self, password_hash: str | None, password: str) -> PasswordVerdict:
        return self._run(lambda: self._verify(password_hash, password))

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _verify(self, password_hash: str | None, password: str) -> PasswordVerdict:
        try:
            self._argon2.verify(self._decoy if password_hash is None else password_hash, _encoded(password))
        except (VerificationError, InvalidHashError):
            return PasswordVerdict(is_match=False)
        if password_hash is None:
            return PasswordVerdict(is_match=False)
        return PasswordVerdict(is_match=True, needs_rehash=self._argon2.check_needs_rehash(password_hash))

    def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise _busy()
        try:
            future: Future[T] = self._pool.submit(work)
        except RuntimeError:
            self._places.release()
            raise _busy() from None
        future.add_done_callback(lambda _: self._places.release())
        try:
            return future.result(self._timeout_s)
        except (TimeoutError, CancelledError):
            future.cancel()
            raise _busy() from None


def _encoded(password: str) -> bytes:
    # JSON may carry lone surrogates, which strict UTF-8 refuses.
    return password.encode("utf-8", "surrogatepass")


def _busy() -> UnavailableError:
    return UnavailableError("too many people sign in at this moment", code="sign_in_busy", retry_after_s=2)
