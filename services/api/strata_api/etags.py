"""Versions of entities as strong entity tags (RFC 9110): nobody overwrites what they have not seen."""

from collections.abc import Mapping
from typing import Final, Protocol
from uuid import UUID

from starlette.datastructures import Headers

from strata_datamodel.errors import PreconditionError, PreconditionMissingError

_LENGTH_MAX: Final = 1_024


class Versioned(Protocol):
    @property
    def id(self) -> UUID: ...

    @property
    def version(self) -> int: ...


Tagged = Versioned | Mapping[str, object]
"""An entity, or one that comes as JSON values."""


def etag(entity_id: UUID, version: int) -> str:
    """Names the entity too: a tag taken from one never matches another that happens to have the same version."""
    return f'"{entity_id.hex}.{version}"'


def tag_of(entity: Tagged) -> str:
    if isinstance(entity, Mapping):
        return etag(UUID(str(entity["id"])), int(str(entity["version"])))
    return etag(entity.id, entity.version)


def check_if_match(headers: Headers, current: str) -> None:
    """Raises PreconditionMissingError (428) without If-Match and PreconditionError (412) when it is stale. `*` says
    that the caller knows what they do."""
    value = headers.get("if-match")
    if value is None:
        raise PreconditionMissingError(
            "this change needs an If-Match header",
            hint="read the entity first and send its ETag back as If-Match",
        )
    if value.strip() != "*" and current not in _tags(value):
        raise PreconditionError("somebody changed this since you read it", hint="read it again and repeat the change")


def check_if_match_if_sent(headers: Headers, current: str) -> bool:
    """For acts that are safe to do blindly, as an acknowledgement in the night is. Whether the header was there: then
    the act is for this version alone."""
    if "if-match" not in headers:
        return False
    check_if_match(headers, current)
    return headers["if-match"].strip() != "*"


def is_unchanged(headers: Headers, current: str) -> bool:
    """Whether If-None-Match asks for 304. Compared weakly, as RFC 9110 has it for reading."""
    value = headers.get("if-none-match")
    return value is not None and (value.strip() == "*" or current in {tag.removeprefix("W/") for tag in _tags(value)})


def _tags(value: str) -> set[str]:
    return {part.strip() for part in value[:_LENGTH_MAX].split(",")}
