"""Forms that many routes share."""

import json
from datetime import datetime
from typing import Annotated, Final, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from strata_core.instants import shown_instant
from strata_datamodel.limits import METADATA_BYTES

T = TypeVar("T")
ONE: Final = "~one"
SEVERAL: Final = "~several"
ALTERNATIVES: Final = frozenset({ONE, SEVERAL})
"""Tags by which pydantic tells forms of one body apart. They stand in its errors' places, and not in the body."""


Instant = Annotated[datetime, PlainSerializer(shown_instant, return_type=str, when_used="json")]
"""RFC 3339, UTC, with Z."""


def _bounded(value: dict[str, object]) -> dict[str, object]:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(text.encode("utf-8", "surrogatepass")) > METADATA_BYTES:
        raise ValueError(f"is larger than {METADATA_BYTES} bytes")
    return check_text(value)


def check_text(value: T) -> T:
    """PostgreSQL keeps neither NUL nor half a surrogate pair."""
    match value:
        case str():
            if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
                raise ValueError("has a NUL character or half a surrogate pair")
        case dict():
            for name, item in value.items():
                check_text(name)
                check_text(item)
        case list():
            for item in value:
                check_text(item)
    return value


Text = Annotated[str, AfterValidator(check_text)]
Document = Annotated[dict[str, object], AfterValidator(_bounded)]
"""A JSON object of limited size."""


class Shown(BaseModel):
    """What we send, read from the entity's own fields."""

    model_config = ConfigDict(from_attributes=True)


class Sent(BaseModel):
    """What is sent to us. A misspelt field is told, not dropped."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None = Field(description="Send as `cursor` for the next page; null on the last.")


class FieldProblem(BaseModel):
    pointer: str = Field(description="JSON pointer into the body, or the place outside it, as `query/limit`.")
    detail: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable: programs may branch on it.")
    detail: str
    instance: str
    request_id: str
    hint: str | None = Field(default=None, description="What to do next.")
    errors: list[FieldProblem] | None = None
