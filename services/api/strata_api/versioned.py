"""Entities that have a version: its tag goes out with what is read, and has to come back with what is changed."""

from typing import TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from strata_api.etags import Tagged, check_if_match, is_unchanged, tag_of
from strata_api.schemas import Sent

D = TypeVar("D")
E = TypeVar("E", bound=Tagged)
F = TypeVar("F", bound=BaseModel)


def unless_unchanged(request: Request, response: Response, entity: Tagged) -> object:
    """The entity with its tag, for the route's response model; 304 when the caller has this version already."""
    tag = tag_of(entity)
    if is_unchanged(request.headers, tag):
        return Response(status_code=304, headers={"etag": tag})
    response.headers["etag"] = tag
    return entity


def shown(response: Response, form: type[F], entity: Tagged) -> F:
    """The entity as the route answers it, with its tag."""
    response.headers["etag"] = tag_of(entity)
    return form.model_validate(entity)


def matched(request: Request, entity: E) -> E:
    """The entity that is about to be changed. Raises PreconditionMissingError (428) without If-Match and
    PreconditionError (412) when the caller saw another version."""
    check_if_match(request.headers, tag_of(entity))
    return entity


def patched(draft: type[D], entity: object, patch: Sent) -> D:
    """A draft of the whole entity: what the patch leaves out stays as it is."""
    kept = {name: getattr(entity, name) for name in type(patch).model_fields}
    return draft(**{**kept, **patch.model_dump(exclude_unset=True)})
