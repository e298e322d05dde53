"""`strata quotas`: what an organization may do a second, for an operator at the console."""

from strata_cli.operating import as_operator
from strata_cli.rendering import out, print_json, print_table
from strata_core.quotas.commands import set_quota
from strata_core.quotas.queries import quotas_in_force
from strata_core.quotas.rules import DEFAULTS, MEANINGS, Quota, quota_of
from strata_stores.settings import Settings


def run_list(settings: Settings, org: str, *, as_json: bool) -> None:
    with as_operator(settings, org, "quotas") as (_, uow):
        values = quotas_in_force(uow)
    if as_json:
        print_json([{"name": quota, "value": values[quota], "default": DEFAULTS[quota]} for quota in Quota])
        return
    print_table(
        ("quota", "value", "default", "limits"),
        [(quota.value, values[quota], DEFAULTS[quota], MEANINGS[quota]) for quota in Quota],
    )


def run_set(settings: Settings, org: str, *, name: str, value: int | None) -> None:
    quota = quota_of(name)
    with as_operator(settings, org, "quotas") as (ctx, uow):
        set_quota(ctx, uow, quota, value)
    shown = DEFAULTS[quota] if value is None else value
    out.print(f"{quota.value} is {shown}; it takes effect everywhere within 5 seconds.", markup=False)
