"""An answer that left something out is no answer."""

from typing import Any

from strata_datamodel.errors import DeadlineError, StoreUnavailableError
from strata_stores.elastic.trouble import STORE


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("timed_out"):
        raise DeadlineError("the search took too long", hint="narrow the time range or the query")
    shards = answer["_shards"]
    if shards["failed"]:
        failures = shards.get("failures") or [{}]
        reason = failures[0].get("reason", {}).get("reason", "no reason given")
        raise StoreUnavailableError(STORE, f"{shards['failed']} of {shards['total']} shards failed: {reason}")
    return answer
