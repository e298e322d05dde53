"""`strata receipts`: proof of what was deleted for good."""

import sys
from collections.abc import Sequence
from pathlib import Path

from strata_cli.administration import administration
from strata_cli.rendering import EXIT_BROKEN, out, print_json, print_table
from strata_core.receipts.documents import document_of, is_genuine, printed, read, shown
from strata_core.receipts.queries import KeptReceipt, deletion_receipts, receipts_after
from strata_datamodel.errors import InvalidError, NotFoundError, UnavailableError
from strata_datamodel.limits import PAGE_SIZE_MAX, RECEIPT_BYTES
from strata_stores.anchoring import open_anchor_signer
from strata_stores.relational import open_keyring
from strata_stores.settings import Settings


def run_list(settings: Settings, *, as_json: bool) -> None:
    found: list[KeptReceipt] = []
    with administration(settings, "strata receipts") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            while page := receipts_after(uow, found[-1].id if found else None, PAGE_SIZE_MAX):
                found += page
    if as_json:
        print_json([shown(each.receipt) for each in found])
        return
    rows = [
        (each.id, each.kind, each.organization_id, f"{each.created_at:%Y-%m-%d %H:%M}", _requested_by(each))
        for each in found
    ]
    print_table(("receipt", "of", "organization", "at", "requested by"), rows)


def run_deletion_receipt(settings: Settings, org: str) -> None:
    """The newest of an organization that had this slug, or has this id."""
    with administration(settings, "strata orgs receipt") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            found = deletion_receipts(uow, org, 1)
    if not found:
        raise NotFoundError(
            f"there is no receipt of a deletion of {org}", hint="a deletion that is under way has none yet"
        )
    sys.stdout.write(printed(found[0].receipt))


def run_verify(settings: Settings, file: Path, trusted: Sequence[str], *, as_json: bool) -> int:
    """The exit code: 0 when it is genuine."""
    receipt = read(_content(file))
    is_good = is_genuine(receipt, open_anchor_signer(settings, open_keyring(settings), trusted))
    document = document_of(receipt)
    if as_json:
        print_json({"genuine": is_good, "public_key": receipt.public_key, "receipt": document})
    elif is_good:
        out.print(f"[green]genuine[/]  {document['kind']}, completed at {document['completed_at']}")
    else:
        out.print("[bold red]NOT GENUINE[/]  changed since it was signed, or signed with a key that is not trusted")
    return 0 if is_good else EXIT_BROKEN


def _content(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(RECEIPT_BYTES + 1)
        with file.open("rb") as opened:
            return opened.read(RECEIPT_BYTES + 1)
    except OSError as error:
        raise InvalidError(f"{file} cannot be read: {error.strerror}", code="bad_file") from error


def _requested_by(each: KeptReceipt) -> object:
    return document_of(each.receipt).get("requested_by")
