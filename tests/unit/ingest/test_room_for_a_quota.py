"""What is remembered of series has room for all that an organization may have: one that sends more than is remembered
has every series looked up again with every body."""

from strata_core.quotas.rules import DEFAULTS, Quota
from strata_ingest.registered import SERIES_HELD
from strata_stores.series_cache import MAX_ENTRIES


def test_an_organization_at_its_quota_is_remembered_whole():
    assert DEFAULTS[Quota.SERIES] <= SERIES_HELD // 2, "one that fills half of it begins anew"
    assert DEFAULTS[Quota.SERIES] <= MAX_ENTRIES
