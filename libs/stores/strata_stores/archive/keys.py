"""Which keys there are: the same on every kind of store, whatever it would take itself."""

import re
from typing import Final

from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId

_PART: Final = re.compile(r"[A-Za-z0-9._=-]{1,200}")
_LENGTH: Final = 800


def object_path(organization_id: OrganizationId, key: str) -> str:
    """No key of one organization leads to another's objects."""
    parts = key.split("/")
    if len(key) > _LENGTH or not all(_PART.fullmatch(part) and part.strip(".") for part in parts):
        raise InvalidError(
            "an archive key has parts of letters, digits and . _ = - with slashes between",
            code="bad_key",
        )
    return f"{organization_id}/{key}"


def listing_path(organization_id: OrganizationId, prefix: str) -> str:
    return object_path(organization_id, prefix.removesuffix("/")) if prefix else str(organization_id)
