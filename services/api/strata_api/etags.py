"""Versions of entities as strong entity tags (RFC 9110): nobody overwrites what they have not seen.

Some of what an entity shows is observed, or another's, and its version does not rise with that. The tag tells that too,
for who reads; who changes the entity is asked for its version alone.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, Protocol
from uuid import UUID

from starlette.datastructures import Headers

from strata_datamodel.errors import PreconditionError, PreconditionMissingError

_LENGTH_MAX: Final = 1_024
_OBSERVED: Final = (
    "last_seen_at",
    "last_evaluated_at",
    "last_result",
    "last_error",
    "last_login_at",  # this and the next are of a member's person, who has a version of their own
    "email",
    "name",
    "avatar_url",
)
_WITH_OBSERVED: Final = 2
"""So many dots has a tag that tells what was observed."""


class Versioned(Protocol):
    @property
    def id(self) -> UUID: ...

    @property
    def version(self) -> int: ...


Tagged = Versioned | Mapping[str, object]
"""An entity, or one that comes as JSON values."""


def etag(entity_id: UUID, version: int, observed: str = "") -> str:
    """Names the entity too: a tag taken from one never matches another that happens to have the same version."""
    return f'"{entity_id.hex}.{version}.{observed}"' if observed else f'"{entity_id.hex}.{version}"'


def tag_of(entity: Tagged) -> str:
    if isinstance(entity, Mapping):
        return etag(UUID(str(entity["id"])), int(str(entity["version"])), _observed([entity.get(n) for n in _OBSERVED]))
    return etag(entity.id, entity.version, _observed([getattr(entity, name, None) for name in _OBSERVED]))


def _observed(values: list[object]) -> str:
    """Empty while nothing was."""
    if not any(values):
        return ""
    return hashlib.blake2s(repr([str(value) for value in values]).encode(), digest_size=8).hexdigest()


def check_if_match(headers: Headers, current: str) -> None:
    """Raises PreconditionMissingError (428) without If-Match and PreconditionError (412) when it is stale. `*` says
    that the caller knows what they do."""
    value = headers.get("if-match")
    if value is None:
        raise PreconditionMissingError(
            "this change needs an If-Match header",
            hint="read the entity first and send its ETag back as If-Match",
        )
    if value.strip() != "*" and _version(current) not in {_version(tag) for tag in _tags(value)}:
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


def _version(tag: str) -> str:
    """The tag without what was observed."""
    return tag.rpartition(".")[0] + '"' if tag.count(".") == _WITH_OBSERVED and tag.endswith('"') else tag


def _tags(value: str) -> set[str]:
    return {part.strip() for part in value[:_LENGTH_MAX].split(",")}
