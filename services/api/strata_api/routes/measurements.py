"""Which metrics there are to ask for."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.paging import Paged
from strata_api.schemas import Page, Shown
from strata_core.metrics.catalogue import measurement_page
from strata_datamodel.metrics import FieldClass

router = APIRouter(prefix="/api/v1/orgs/{org}/metrics", tags=["metrics"])
_LIST = "metrics_catalogue"


class KnownTagOut(Shown):
    name: str
    description: str | None
    values: list[str] = Field(description="Those that have a meaning; others may come.")


class KnownFieldOut(Shown):
    name: str
    classes: list[FieldClass]
    unit: str | None
    unit_tag: str | None = Field(description="The tag that says the unit, where the field alone does not.")
    description: str | None


class MeasurementOut(Shown):
    name: str
    is_seen: bool = Field(description="Whether the organization has sent it.")
    is_specified: bool = Field(description="Whether Strata knows its meaning.")
    description: str | None
    tags: list[KnownTagOut]
    fields: list[KnownFieldOut]


@router.get("/catalogue", operation_id=_LIST, summary="Measurements with their tags, fields and units, by name")
def list_measurements(access: Annotated[Access, requires("metrics:read")], paged: Paged) -> Page[MeasurementOut]:
    listing = access.listing(paged, _LIST)
    with access.unit() as uow:
        found = measurement_page(access.ctx, uow, limit=listing.fetch, after=listing.after(str))
    return listing.page(found, MeasurementOut.model_validate, lambda each: [each.name])
