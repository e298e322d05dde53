"""What lists are asked with. Read here and not by FastAPI, whose looking into each parameter's type, for each request,
costs more than recognising the caller does."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar, get_origin

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from strata_api.paging import PageQuery

Q = TypeVar("Q", bound=PageQuery)


@dataclass(frozen=True)
class _Reader(Generic[Q]):
    model: type[Q]

    async def __call__(self, request: Request) -> Q:
        """Of a parameter that may be there once, the last one counts."""
        sent = request.query_params
        values: dict[str, object] = {name: sent[name] for name in self.model.model_fields if name in sent}
        values.update((name, sent.getlist(name)) for name in self._repeated if name in values)
        try:
            return self.model.model_validate(values)
        except ValidationError as error:
            problems = error.errors(include_url=False)
            raise RequestValidationError([{**each, "loc": ("query", *each["loc"])} for each in problems]) from None

    @cached_property
    def _repeated(self) -> frozenset[str]:
        return frozenset(name for name, each in self.model.model_fields.items() if get_origin(each.annotation) is list)


def asked_by(model: type[Q]) -> Any:
    """A handler's parameter of this model. The route takes `documented(model)` too."""
    return Depends(_Reader(model))


def documented(model: type[PageQuery]) -> dict[str, Any]:
    """For a route's `openapi_extra`: the parameters as FastAPI describes them."""
    app = FastAPI(separate_input_output_schemas=False)

    @app.get("/")
    def _(query: Annotated[model, Query()]) -> None:  # type: ignore[valid-type]
        """Only its parameters are of interest."""

    return {"parameters": app.openapi()["paths"]["/"]["get"]["parameters"]}
