"""A directory that a store of ours keeps its files in."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreTrial
from strata_stores.trials.attempts import attempt_each


def directory_trial(store: str, directory: Path) -> StoreTrial:
    """In the nearest directory above, where it is not made yet: that is what it will be made in."""
    place = next(path for path in (directory, *directory.parents) if path.exists())
    draft = place / f".doctor-{secrets.token_hex(8)}.partial"
    final = draft.with_suffix("")

    def write() -> None:
        with _reported(store, place):
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"probe")
                os.fsync(file.fileno())
            draft.replace(final)

    def read() -> None:
        with _reported(store, place):
            if final.name in {entry.name for entry in place.iterdir()}:
                final.read_bytes()

    def delete() -> None:
        with _reported(store, place):
            draft.unlink(missing_ok=True)
            final.unlink(missing_ok=True)

    acts: dict[str, Callable[[], object]] = {"write": write, "read": read, "delete": delete}
    return StoreTrial(store, *attempt_each(acts))


@contextmanager
def _reported(store: str, place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(store, f"{place}: {error.strerror or type(error).__name__}") from error
