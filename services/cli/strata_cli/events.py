"""`strata events`: events that failed too often, for an operator at the console."""

from dataclasses import asdict
from uuid import UUID

from strata_cli.operating import as_operator
from strata_cli.rendering import print_json, print_outcome, print_table
from strata_core.instants import shown_instant
from strata_core.parked_events.commands import retry_event
from strata_core.parked_events.queries import ParkedEvent, parked_events
from strata_datamodel.ids import OutboxId
from strata_datamodel.limits import PAGE_SIZE_MAX
from strata_stores.settings import Settings


def run_parked(settings: Settings, org: str, *, as_json: bool) -> None:
    found: list[ParkedEvent] = []
    with as_operator(settings, org, "events") as (ctx, uow):
        while page := parked_events(ctx, uow, limit=PAGE_SIZE_MAX, after=found[-1].id if found else None):
            found += page
    if as_json:
        print_json([_document(event) for event in found])
        return
    rows = [(event.id, event.kind, f"{event.created_at:%Y-%m-%d %H:%M}", event.reason or "") for event in found]
    print_table(("event", "kind", "created", "reason"), rows)


def run_retry(settings: Settings, org: str, event_id: UUID, *, as_json: bool) -> None:
    with as_operator(settings, org, "events") as (ctx, uow):
        event = retry_event(ctx, uow, OutboxId(event_id))
    print_outcome(_document(event), f"{event.id}: {event.kind} is {event.state}, and due now", as_json=as_json)


def _document(event: ParkedEvent) -> dict[str, object]:
    return {
        **asdict(event),
        "id": str(event.id),
        "entity_id": str(event.entity_id),
        "created_at": shown_instant(event.created_at),
    }
