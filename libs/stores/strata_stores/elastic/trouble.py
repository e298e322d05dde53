"""The client's errors under our names."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from elasticsearch import ApiError, TransportError

from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError

STORE: Final = "logs"

_BAD_REQUEST: Final = 400
_TOO_LARGE: Final = 413
# Answers of status 400 that are about the state of the cluster, not about what was sent.
_ABOUT_THE_CLUSTER: Final = frozenset({"validation_exception", "index_closed_exception", "cluster_block_exception"})
_FULL_DISK: Final = "flood-stage"


@contextmanager
def reported() -> Iterator[None]:
    try:
        yield
    except TransportError as error:
        raise StoreUnavailableError(STORE, f"no usable answer: {_shortened(str(error))}") from error
    except ApiError as error:
        kind, reason = _cause_of(error.body)
        raise refusal(error.meta.status, kind or error.message, reason) from error


def refusal(status: int, kind: str, reason: str) -> StoreRefusedError | StoreUnavailableError:
    """What an error answer means for the caller. Refused for good is only what the same request would meet again."""
    if is_for_good(status, kind):
        return StoreRefusedError(STORE, f"{status} {kind}: {_shortened(reason)}")
    if _FULL_DISK in reason:
        return StoreUnavailableError(
            STORE, f"a disk passed its flood-stage watermark and indices are read-only: {_shortened(reason)}"
        )
    return StoreUnavailableError(STORE, f"{status} {kind}: {_shortened(reason)}")


def is_for_good(status: int, kind: str) -> bool:
    return status in {_BAD_REQUEST, _TOO_LARGE} and kind not in _ABOUT_THE_CLUSTER


def _cause_of(body: object) -> tuple[str, str]:
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", str(error or body or "")
    return str(error.get("type", "")), str(error.get("reason", ""))


def _shortened(text: str, limit: int = 500) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
