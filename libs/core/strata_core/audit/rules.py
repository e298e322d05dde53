"""What of a change may be kept in the audit log."""

from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Final

from strata_core.secret_names import is_secret_name

REDACTED: Final = "[redacted]"
TOO_DEEP: Final = "[too deep]"
_DEPTH: Final = 16


def redacted(document: Mapping[str, object]) -> dict[str, object]:
    """The document as JSON values, secrets replaced by their key's name. An absent secret stays visibly absent."""
    return {name: _redacted_value(name, value, 0) for name, value in document.items()}


def _redacted_value(name: str, value: object, depth: int) -> object:
    if value is not None and is_secret_name(name):
        return REDACTED
    return _plain(value, depth)


def _plain(value: object, depth: int) -> object:
    if isinstance(value, Mapping):
        if depth >= _DEPTH:
            return TOO_DEEP
        return {str(key): _redacted_value(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return TOO_DEEP if depth >= _DEPTH else [_plain(item, depth + 1) for item in value]
    return _plain_scalar(value)


def _plain_scalar(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):  # says nothing to a reader, and may well be a secret
        return REDACTED
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, date) else str(value)
