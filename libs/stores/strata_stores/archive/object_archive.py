"""The archive over any store of obstore's."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import LocalStore, ObjectStore

from strata_core.ports.archive import ArchivedObject
from strata_datamodel.errors import ConflictError, InvalidError, NotFoundError, StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_stores.archive.keys import listing_path, object_path
from strata_stores.archive.local_files import is_writable, prepare_root, put_durably
from strata_stores.archive.opening import open_remote_store
from strata_stores.breaker import Breaker

T = TypeVar("T")
STORE: Final = "archive"
_BYTES_PER_REQUEST: Final = 8 * MIB
_QUERY: Final = re.compile(r"\?\S*")  # of URLs in errors: a shared access signature may be in it
_PROBE: Final = "00000000-0000-0000-0000-000000000000"


class ObjectArchive:
    """`local_root` is set where objects are files: those are written without obstore, which does not fsync."""

    def __init__(self, store: ObjectStore, *, breaker: Breaker, local_root: Path | None = None) -> None:
        self._store = store
        self._breaker = breaker
        self._local_root = local_root

    def put(self, organization_id: OrganizationId, key: str, content: bytes) -> None:
        path, root = object_path(organization_id, key), self._local_root
        if root is None:
            self._call(lambda: obstore.put(self._store, path, content))
        else:
            self._call(lambda: put_durably(root, path, content))

    def get(self, organization_id: OrganizationId, key: str) -> bytes:
        path = object_path(organization_id, key)
        return self._call(lambda: bytes(obstore.get(self._store, path).bytes()))

    def stream(self, organization_id: OrganizationId, key: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """By ranges of one version of the object: each request is bounded in time, however long the reader takes."""
        path = object_path(organization_id, key)
        about = self._call(lambda: obstore.head(self._store, path))
        return self._ranges(path, about["size"], about["e_tag"], chunk_bytes)

    def listing(self, organization_id: OrganizationId, prefix: str = "") -> Sequence[ArchivedObject]:
        path = listing_path(organization_id, prefix)
        found = self._call(lambda: [meta for page in obstore.list(self._store, path) for meta in page])
        skipped = len(f"{organization_id}/")
        objects = [ArchivedObject(meta["path"][skipped:], meta["size"], meta["last_modified"]) for meta in found]
        return sorted(objects, key=lambda item: item.key)

    def delete(self, organization_id: OrganizationId, key: str) -> None:
        path = object_path(organization_id, key)
        try:
            self._call(lambda: obstore.delete(self._store, path))
        except NotFoundError:
            return

    def health(self) -> StoreHealth:
        kind = type(self._store).__name__.removesuffix("Store").lower()
        if self._local_root is not None and not is_writable(self._local_root):
            return StoreHealth(STORE, is_ready=False, detail=f"{kind}: the directory cannot be written to")
        try:
            next(iter(obstore.list(self._store, _PROBE)), None)
        except (BaseError, OSError) as error:
            return StoreHealth(STORE, is_ready=False, detail=f"{kind}: {_reason(error)}")
        return StoreHealth(STORE, is_ready=True, detail=kind)

    def _ranges(self, path: str, size: int, e_tag: str | None, chunk_bytes: int) -> Iterator[bytes]:
        step = max(chunk_bytes, _BYTES_PER_REQUEST // chunk_bytes * chunk_bytes)
        for start in range(0, size, step):
            span = (start, min(start + step, size))
            part = self._call(functools.partial(self._range, path, span, e_tag))
            for offset in range(0, len(part), chunk_bytes):
                yield part[offset : offset + chunk_bytes]

    def _range(self, path: str, span: tuple[int, int], e_tag: str | None) -> bytes:
        options: obstore.GetOptions = {"range": span}
        if e_tag is not None:
            options["if_match"] = e_tag
        return bytes(obstore.get(self._store, path, options=options).bytes())

    def _call(self, command: Callable[[], T]) -> T:
        with self._breaker.guard():
            try:
                return command()
            except FileNotFoundError:
                raise NotFoundError("no such object in the archive") from None
            except PreconditionError:
                raise ConflictError("the object was replaced while it was read", code="object_replaced") from None
            except (BaseError, OSError) as error:
                raise StoreUnavailableError(STORE, _reason(error)) from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {_QUERY.sub('?…', str(error))}"[:300]


def open_archive(
    url: str, *, breaker: Breaker, connect_timeout_s: float = 5.0, timeout_s: float = 60.0
) -> ObjectArchive:
    """`timeout_s` bounds one request; an object read by `stream` takes as many as it needs."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        root = Path(unquote(parts.path))
        if not root.is_absolute():
            raise InvalidError("a local archive needs an absolute path: file:///…", code="bad_archive_url")
        prepare_root(root)
        return ObjectArchive(LocalStore(root), breaker=breaker, local_root=root)
    return ObjectArchive(
        open_remote_store(url, connect_timeout_s=connect_timeout_s, timeout_s=timeout_s), breaker=breaker
    )
