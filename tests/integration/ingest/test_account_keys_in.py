"""Keys of service accounts send while, and only while, their account may. Ingest remembers that for 5 seconds."""

import pytest

from factories.contexts import context
from strata_core.access.commands import create_api_key
from strata_core.access.grants import Grant
from strata_core.access.key_rows import KeyDraft
from strata_core.roles.commands import assign_role, create_role, unassign_role
from strata_core.roles.rules import RoleDraft
from strata_core.roles.subjects import Subject, SubjectKind
from strata_core.service_accounts.commands import create_service_account
from strata_datamodel.errors import DeniedError
from strata_ingest.callers import recognise_caller

pytestmark = pytest.mark.usefixtures("second_unmoved")


def test_a_key_sends_only_while_its_account_may(units, two_organizations):
    ctx = context(two_organizations.first)
    with units.organization(ctx.organization_id) as uow:
        role = create_role(ctx, uow, RoleDraft("sender", grants=(Grant("ingest:write"),)))
        account = create_service_account(ctx, uow, name="agents")
        key = create_api_key(ctx, uow, KeyDraft(name="k", scopes=["ingest"], service_account_id=account.id))
        reader = create_api_key(ctx, uow, KeyDraft(name="k", scopes=["read"], service_account_id=account.id))

    def is_refused(text: str) -> bool:
        try:
            return recognise_caller(units, text).organization_id != two_organizations.first
        except DeniedError as error:
            return error.code == "scope_missing"

    assert is_refused(key.text)
    with units.organization(ctx.organization_id) as uow:
        assignment = assign_role(ctx, uow, Subject(SubjectKind.SERVICE_ACCOUNT, account.id), role.key)
    assert not is_refused(key.text)
    assert is_refused(reader.text)
    with units.organization(ctx.organization_id) as uow:
        unassign_role(ctx, uow, assignment.id)
    assert is_refused(key.text)
