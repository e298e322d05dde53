"""`strata init`: an organization, its owner and its first keys."""

from strata_cli.provisioning import provision
from strata_cli.rendering import err, out, print_json
from strata_core.access.rules import check_new_password
from strata_core.context import Actor, ActorKind
from strata_core.organizations.commands import Provisioned
from strata_datamodel.errors import InvalidError
from strata_stores.passwords.argon2 import Argon2PasswordHasher
from strata_stores.passwords.known import ListedPasswords
from strata_stores.settings import Settings

OPERATOR = Actor(ActorKind.SYSTEM, None, "operator (command line)")


def run_init(settings: Settings, *, slug: str, name: str, email: str, password: str, as_json: bool) -> None:
    check_new_password(password)
    if ListedPasswords.with_file(settings.breached_passwords_file).knows(password):
        raise InvalidError(
            "this password is among those that are tried first",
            code="weak_password",
            hint="take several words that nobody would connect with you",
        )
    hasher = Argon2PasswordHasher()
    try:
        password_hash = hasher.hash(password)
    finally:
        hasher.close()
    made = provision(settings, "init", slug=slug, name=name, email=email, password_hash=password_hash, actor=OPERATOR)
    if as_json:
        print_json(_document(made))
    else:
        _explain(made, settings)


def _document(made: Provisioned) -> dict[str, object]:
    return {
        "org": {"id": str(made.organization.id), "slug": made.organization.slug},
        "user": {"id": str(made.user_id), "email": made.email},
        "keys": {"admin": made.admin_key, "ingest": made.ingest_key},
    }


def _explain(made: Provisioned, settings: Settings) -> None:
    slug = made.organization.slug
    out.print(f"[bold]{slug}[/] is ready. Its keys are shown now and never again:\n")
    out.print(f"  admin    {made.admin_key}", markup=False, soft_wrap=True)
    out.print(f"  ingest   {made.ingest_key}\n", markup=False, soft_wrap=True)
    if not made.is_new_user:
        err.print(f"{made.email} was known before and keeps their password.", markup=False)
    url = f"http://127.0.0.1:{settings.ingest_port}/api/v2/write?precision=s"
    out.print("Send a first point:", markup=False)
    out.print(f"  curl -H 'Authorization: Token <ingest key>' '{url}' \\", markup=False, soft_wrap=True)
    out.print("    --data-binary 'system_metrics,host=web1,metric_type=cpu value=42'", markup=False, soft_wrap=True)
