"""`strata members`: who belongs to an organization, and as what."""

from strata_cli.access.acting import acting, member_named
from strata_cli.rendering import print_json, print_outcome, print_table
from strata_core.instants import shown_instant
from strata_core.invitations.commands import invite
from strata_core.members.commands import change_role, remove_member
from strata_core.members.queries import Member, MemberFilter, member_page
from strata_core.members.rules import check_role
from strata_datamodel.limits import PAGE_SIZE_MAX
from strata_stores.settings import Settings


def run_list(settings: Settings, org: str, acting_as: str | None, role: str | None, *, as_json: bool) -> None:
    where = MemberFilter(role=None if role is None else check_role(role))
    with acting(settings, org, acting_as, "members") as who:
        found = who.all(
            lambda after: member_page(who.ctx, who.uow, limit=PAGE_SIZE_MAX, after=after, where=where),
            lambda row: row.id,
        )
    if as_json:
        print_json([_document(each) for each in found])
        return
    rows = [
        (each.email, each.name, each.role, f"{each.last_login_at:%Y-%m-%d}" if each.last_login_at else "never")
        for each in found
    ]
    print_table(("member", "name", "role", "last signed in"), rows)


def run_invite(settings: Settings, org: str, acting_as: str | None, email: str, role: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "members") as who:
        made = invite(who.ctx, who.uow, who.link_key, email=email, role=role)
    document = {
        "id": str(made.id),
        "email": made.email,
        "role": made.role,
        "expires_at": shown_instant(made.expires_at),
    }
    sentence = f"{made.email} is asked in as {made.role}, until {made.expires_at:%Y-%m-%d %H:%M} UTC"
    print_outcome(document, sentence, as_json=as_json)


def run_remove(settings: Settings, org: str, acting_as: str | None, email: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "members") as who:
        gone = member_named(who.ctx, who.uow, email)
        remove_member(who.ctx, who.uow, gone.id)
    _tell(gone, "is no member any more", as_json=as_json)


def run_role(settings: Settings, org: str, acting_as: str | None, email: str, role: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "members") as who:
        before = member_named(who.ctx, who.uow, email)
        changed = change_role(who.ctx, who.uow, before.id, role, before.version)
    _tell(changed, f"is {changed.role}", as_json=as_json)


def _tell(member: Member, what: str, *, as_json: bool) -> None:
    print_outcome(_document(member), f"{member.email} {what}", as_json=as_json)


def _document(member: Member) -> dict[str, object]:
    return {
        "id": str(member.id),
        "user_id": str(member.user_id),
        "email": member.email,
        "name": member.name,
        "role": member.role,
        "last_login_at": None if member.last_login_at is None else shown_instant(member.last_login_at),
        "version": member.version,
    }
