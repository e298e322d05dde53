"""An organization of one's own."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from strata_api.deps import Caller, signed_in
from strata_api.idempotency import Made, OnlyOnce
from strata_api.personal import person_of
from strata_api.routes.organizations import OrganizationOut
from strata_api.schemas import Sent, Shown, Text
from strata_core.organizations.founding import found_organization, founder_of
from strata_core.people.person import Person
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import NAME_LENGTH, SLUG_LENGTH

router = APIRouter(prefix="/api/v1/orgs", tags=["organizations"])


class NewOrganization(Sent):
    slug: Text = Field(max_length=SLUG_LENGTH, description="Lower-case letters, digits and inner hyphens.")
    name: Text = Field(max_length=NAME_LENGTH)


class OrganizationBegun(Shown):
    organization: OrganizationOut
    saga_id: UUID = Field(description="What sets it up; it can be looked at once the organization is open.")


@router.post(
    "",
    operation_id="orgs_create",
    summary="An organization of your own",
    status_code=202,
    response_model=OrganizationBegun,
)
def post_organization(caller: Annotated[Caller, signed_in()], body: NewOrganization, once: OnlyOnce) -> Response:
    """You own it. `Location` answers 409 while it is set up, 404 when it could not be and nothing of it is left. Make
    keys in it once it is open. Only where `STRATA_SELF_SERVICE_ORGANIZATIONS` lets people do so: else an operator makes
    organizations, with `strata init`."""
    identity, deps = person_of(caller), caller.deps
    if not deps.has_self_service:
        raise DeniedError(
            "people do not make organizations here by themselves",
            code="operators_only",
            hint="whoever runs this installation makes them, with `strata init`",
        )
    person = Person(identity.user_id, caller.origin.request_id, caller.origin.remote_addr)
    with deps.units.person(person.user_id) as uow:
        founder = founder_of(person, uow)

        def begin() -> tuple[OrganizationId, Made]:
            organization, saga_id = found_organization(founder, uow, slug=body.slug, name=body.name)
            shown = OrganizationBegun(organization=OrganizationOut.model_validate(organization), saga_id=saga_id)
            return organization.id, Made(shown, location=f"/api/v1/orgs/{organization.slug}")

        return once.founded(founder, uow, begin)
