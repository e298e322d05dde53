"""The engine's errors under our names."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from strata_datamodel.errors import StoreUnavailableError

STORE: Final = "logs"


@contextmanager
def reported(day: str) -> Iterator[None]:
    """tantivy-py raises ValueError for whatever went wrong below it, a full disk and a damaged file alike."""
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        raise StoreUnavailableError(STORE, f"the index of {day}: {error}") from error
