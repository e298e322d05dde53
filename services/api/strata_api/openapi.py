"""The OpenAPI 3.1 document: what the framework derives, plus whom each operation serves and how it refuses."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from strata_api.deps import Anybody, OwnRequirement, Requirement, SignedIn
from strata_api.errors import PROBLEM_TYPE
from strata_api.schemas import Problem

Guard = Requirement | OwnRequirement | SignedIn | Anybody

_SECURITY_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "basic": {"type": "http", "scheme": "basic", "description": "Any user name, an API key as the password."},
    "session": {"type": "apiKey", "in": "cookie", "name": "strata_session", "description": "Set by auth_login."},
}
_SECURITY: Final[list[dict[str, list[str]]]] = [{name: []} for name in _SECURITY_SCHEMES]
_REFUSALS: Final = {
    "400": "The body cannot be read",
    "401": "No credential, or one that does not work",
    "403": "The credential lacks the permission",
    "404": "Not there, or not yours",
    "422": "The request is not valid",
    "503": "Something needed is down; see Retry-After",
}


def operations(app: FastAPI) -> Iterator[tuple[APIRoute, str, str]]:
    """Every route with its method and its path as callers see it."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and context.path_format is not None:
            for method in sorted(route.methods or ()):
                yield route, method, context.path_format


def guard_of(route: APIRoute) -> Guard | None:
    """What the route declared, None when it declared nothing: a test refuses that."""
    return next(_guards(route.dependant), None)


def _guards(dependant: Dependant) -> Iterator[Guard]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Requirement | OwnRequirement | SignedIn | Anybody):
            yield dependency.call
        yield from _guards(dependency)


def install_openapi(app: FastAPI) -> None:
    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the documented way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SECURITY_SCHEMES
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for route, method, path in operations(app):
        if route.include_in_schema:
            _complete(document["paths"][path][method.lower()], guard_of(route), has_body=route.body_field is not None)
    return document


def _complete(operation: dict[str, Any], guard: Guard | None, *, has_body: bool) -> None:
    refusals = dict(_REFUSALS)
    if not has_body:
        del refusals["400"]
    match guard:
        case Requirement(permission=permission) | OwnRequirement(permission=permission):
            operation["security"] = _SECURITY
            operation["x-permission"] = permission
        case SignedIn():
            operation["security"] = _SECURITY
        case _:
            operation["security"] = []
    responses = operation["responses"]
    responses.pop("422", None)
    for status, description in refusals.items():
        responses.setdefault(status, _refusal(description))
    responses.setdefault("default", _refusal("Any other refusal"))


def _refusal(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
