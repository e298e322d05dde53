"""Whom roles are given to, and whom one can ask about."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from strata_datamodel.errors import InvalidError, NotFoundError


class SubjectKind(StrEnum):
    USER = "user"
    TEAM = "team"
    SERVICE_ACCOUNT = "service_account"
    API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class Subject:
    """A key can be asked about, but holds no roles itself."""

    kind: SubjectKind
    id: UUID

    @property
    def column(self) -> str:
        """Where `role_assignments` names it."""
        if self.kind is SubjectKind.API_KEY:
            raise InvalidError(
                "a key holds no roles",
                code="bad_subject",
                hint="give the role to the key's service account; a key alone is bounded by its scopes",
            )
        return f"{self.kind.value}_id"

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}"


def subject_of(text: str) -> Subject:
    """From `user:<id>`, `team:<id>`, `service_account:<id>` or `api_key:<id>`."""
    kind, _, name = text.partition(":")
    try:
        return Subject(SubjectKind(kind), UUID(name))
    except ValueError:
        kinds = ", ".join(f"{kind.value}:<id>" for kind in SubjectKind)
        raise InvalidError("this names nobody", code="bad_subject", hint=f"one of {kinds}") from None


def subject_from(held: Mapping[SubjectKind, UUID | None]) -> Subject:
    return next(Subject(kind, value) for kind, value in held.items() if value is not None)


def subject_not_found() -> NotFoundError:
    return NotFoundError("nobody here goes by this", code="subject_not_found")
