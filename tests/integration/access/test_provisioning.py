from concurrent.futures import ThreadPoolExecutor

import pytest

from strata_core.access.queries import recognise_key
from strata_core.access.tokens import parse_token
from strata_core.context import Actor, ActorKind
from strata_core.organizations.commands import provision_organization
from strata_core.organizations.queries import organization_of
from strata_datamodel.errors import ConflictError, InvalidError, NotFoundError, UnauthenticatedError

OPERATOR = Actor(ActorKind.SYSTEM, None, "strata init")


def provision(system_units, slug="initech", email="Owner@Initech.test", password_hash="$argon2id$first"):
    with system_units.system() as uow:
        return provision_organization(
            uow,
            slug=slug,
            name="Initech",
            owner_email=email,
            password_hash=password_hash,
            actor=OPERATOR,
            request_id="r-1",
        )


def recognised(units, text):
    token = parse_token(text)
    with units.credential(token.key_id) as uow:
        return recognise_key(uow, token)


def test_a_new_organization_has_an_owner_and_two_keys_that_work(database, units, system_units, two_organizations):
    made = provision(system_units)
    assert (made.organization.slug, made.email, made.is_new_user) == ("initech", "owner@initech.test", True)
    admin, ingest = recognised(units, made.admin_key), recognised(units, made.ingest_key)
    assert admin.organization_id == ingest.organization_id == made.organization.id
    assert "api_keys:write" in admin.permissions
    assert ingest.permissions == {"ingest:write"}
    members = database.rows("SELECT user_id, role FROM memberships")
    assert members == [{"user_id": made.user_id, "role": "owner"}]


def test_it_is_audited_and_told_in_the_same_transaction(database, system_units):
    made = provision(system_units)
    actions = {row["action"] for row in database.rows("SELECT action FROM audit_log")}
    assert actions == {"organization.created", "member.added", "api_key.created"}
    events = database.rows("SELECT kind, organization_id, entity_id FROM outbox")
    assert events == [
        {
            "kind": "organization.provisioned",
            "organization_id": made.organization.id,
            "entity_id": made.organization.id,
        }
    ]
    dump = str(database.rows("SELECT before, after FROM audit_log")) + str(database.rows("SELECT payload FROM outbox"))
    assert made.admin_key.rpartition("_")[2] not in dump


def test_a_taken_slug_is_refused_and_leaves_nothing(database, system_units, two_organizations):
    def counts():
        return [
            database.rows(f"SELECT count(*) FROM {table}") for table in ("users", "api_keys", "audit_log", "outbox")
        ]

    before = counts()
    with pytest.raises(ConflictError) as refused:
        provision(system_units, slug="acme")
    assert refused.value.code == "slug_taken"
    assert counts() == before


def test_of_many_who_want_one_slug_at_once_one_gets_it(database, system_units):
    def attempt(number):
        try:
            return provision(system_units, email=f"owner{number}@x.test")
        except ConflictError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(attempt, range(4)))
    assert sorted(str(each) for each in outcomes if isinstance(each, str)) == ["slug_taken"] * 3
    assert len(database.rows("SELECT id FROM organizations")) == 1
    assert len(database.rows("SELECT id FROM users")) == 1


def test_a_known_person_becomes_a_member_and_keeps_their_password(database, system_units):
    first = provision(system_units)
    second = provision(system_units, slug="second", email="OWNER@initech.test", password_hash="$argon2id$second")
    assert (second.user_id, second.is_new_user) == (first.user_id, False)
    assert database.rows("SELECT password_hash FROM password_hashes") == [{"password_hash": "$argon2id$first"}]
    assert len(database.rows("SELECT id FROM memberships")) == 2


@pytest.mark.parametrize(
    "slug",
    ["", "A", "a_b", "-a", "a-", "a" * 64, "api", "me", "a b", "ä", "a\n", "01890a5d-ac96-774b-bcce-b302099a8057"],
)
def test_a_slug_that_would_not_serve_is_refused(system_units, slug):
    with pytest.raises(InvalidError) as refused:
        provision(system_units, slug=slug)
    assert refused.value.code == "bad_slug"


@pytest.mark.parametrize("field", [{"email": "nobody"}, {"email": "a@b@c"}])
def test_an_owner_without_an_address_is_refused(system_units, field):
    with pytest.raises(InvalidError):
        provision(system_units, **field)


def test_a_key_is_looked_up_by_its_id_and_judged_by_its_secret(units, system_units):
    made, other = provision(system_units), provision(system_units, slug="other", email="o@other.test")
    mine, theirs = parse_token(made.admin_key), parse_token(other.admin_key)
    forged = type(mine)(key_id=theirs.key_id, secret=mine.secret)
    with units.credential(forged.key_id) as uow, pytest.raises(UnauthenticatedError) as refused:
        recognise_key(uow, forged)
    assert refused.value.code == "bad_token"
    with units.credential(mine.key_id) as uow, pytest.raises(UnauthenticatedError):
        recognise_key(uow, theirs)


def test_an_organization_that_is_not_bound_is_not_found(units, two_organizations):
    with units.organization(two_organizations.first) as uow:
        assert organization_of(uow, "acme").id == two_organizations.first
        for name in ("globex", str(two_organizations.second), "missing"):
            with pytest.raises(NotFoundError):
                organization_of(uow, name)
