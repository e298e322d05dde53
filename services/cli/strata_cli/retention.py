"""`strata metrics retention`: how long an organization's metrics are kept, for an operator at the console."""

from strata_cli.operating import as_operator
from strata_cli.rendering import out, print_json, print_table
from strata_core.instants import duration_ns
from strata_core.tier_retentions.commands import set_retention
from strata_core.tier_retentions.queries import retentions_in_force
from strata_core.tier_retentions.rules import DEFAULT_S, LONGEST_S, shown, tier_named
from strata_datamodel.tiers import Tier
from strata_stores.settings import Settings

_COMMAND = "metrics retention"
_SECOND_NS = 1_000_000_000


def run_show(settings: Settings, org: str, *, as_json: bool) -> None:
    with as_operator(settings, org, _COMMAND) as (_, uow):
        kept = retentions_in_force(uow)
    if as_json:
        print_json(
            [
                {"tier": tier, "kept_s": kept[tier], "default_s": DEFAULT_S[tier], "longest_s": LONGEST_S[tier]}
                for tier in Tier
            ]
        )
        return
    rows = [(tier.value, shown(kept[tier]), shown(DEFAULT_S[tier]), shown(LONGEST_S[tier])) for tier in Tier]
    print_table(("tier", "kept", "default", "at most"), rows)


def run_set(settings: Settings, org: str, *, tier_name: str, kept: str | None) -> None:
    tier = tier_named(tier_name)
    kept_s = None if kept is None else duration_ns(kept, where="--kept") // _SECOND_NS
    with as_operator(settings, org, _COMMAND) as (ctx, uow):
        set_retention(ctx, uow, tier, kept_s)
    told = shown(DEFAULT_S[tier] if kept_s is None else kept_s)
    out.print(f"{tier.value} is kept for {told}. What is older is hidden within seconds, and gone soon.", markup=False)
