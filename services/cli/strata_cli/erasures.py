"""`strata erasures`: forgetting a host, a label or a person, for an operator at the console."""

import sys
from collections.abc import Sequence
from uuid import UUID

from strata_cli.access.acting import acting
from strata_cli.rendering import out, print_document, print_json, print_outcome
from strata_core.erasures.commands import request_erasure
from strata_core.erasures.queries import Erasure, erasure_of
from strata_core.erasures.rules import ErasureKind, Selector, check_selector
from strata_core.receipts.documents import printed, shown
from strata_stores.settings import Settings


def of_host(name: str) -> Selector:
    return check_selector(Selector(ErasureKind.HOST, value=name))


def of_label(key: str, value: str) -> Selector:
    return check_selector(Selector(ErasureKind.LABEL, key=key, value=value))


def of_person(identifiers: Sequence[str]) -> Selector:
    return check_selector(Selector(ErasureKind.PERSON, identifiers=tuple(identifiers)))


def run_erase(
    settings: Settings,
    org: str,
    acting_as: str | None,
    selector: Selector,
    *,
    reason: str,
    is_sure: bool,
    as_json: bool,
) -> None:
    if not is_sure:
        out.print(f"would erase the {selector.kind} from every store of {org}; --yes does it", markup=False)
        return
    with acting(settings, org, acting_as, "erasures") as who:
        asked = request_erasure(who.ctx, who.uow, selector, reason=reason)
    sentence = f"erasure {asked.id} has begun: strata sagas watch {asked.saga_id} --org {org}"
    print_outcome(_document(asked), sentence, as_json=as_json)


def run_show(settings: Settings, org: str, acting_as: str | None, erasure_id: UUID, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "erasures") as who:
        found = erasure_of(who.ctx, who.uow, erasure_id)
    if as_json:
        print_json(_document(found))
        return
    print_document({name: value for name, value in _document(found).items() if name != "receipt"})
    if found.receipt is not None:
        sys.stdout.write(printed(found.receipt))


def _document(erasure: Erasure) -> dict[str, object]:
    return {
        "id": str(erasure.id),
        "kind": erasure.kind,
        "reason": erasure.reason,
        "requested_by": erasure.requested_by,
        "state": erasure.state,
        "saga_id": str(erasure.saga_id),
        "created_at": erasure.created_at.isoformat(),
        "done_at": None if erasure.done_at is None else erasure.done_at.isoformat(),
        "receipt": None if erasure.receipt is None else shown(erasure.receipt),
    }
