"""`strata import users`: takes the users of an older system over, and says of each row that could not be."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import uuid4

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from strata_cli.administration import administration
from strata_cli.rendering import EXIT_PROBLEM, err, out, print_json
from strata_cli.setup import OPERATOR
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Context
from strata_core.members.rules import check_role
from strata_core.organizations.queries import organization_of
from strata_core.people.importing import import_user
from strata_core.people.legacy import legacy_user
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.errors import InvalidError, StrataError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import LEGACY_LINE_BYTES, NAME_LENGTH
from strata_stores.settings import Settings

ROWS_AT_ONCE: Final = 100
_SHOWN: Final = 50


class _DryRunError(Exception):
    """Leaves a transaction undone on purpose."""


@dataclass(frozen=True, slots=True)
class Row:
    """`values` is None for a line that could not be read, with the reason."""

    line: int
    values: Mapping[str, object] | None = field(repr=False)
    reason: str = ""


@dataclass(slots=True)
class Report:
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        self.counts["refused"] += 1
        self.problems.append((line, reason))


@dataclass(frozen=True, slots=True)
class Importer:
    units: SystemUnitsOfWork
    box: SecretBox
    ctx: Context
    source: str
    role: str
    is_dry_run: bool

    def take(self, rows: list[Row], report: Report) -> None:
        """All in one transaction; when one fails, each in its own, so that the good ones are kept."""
        good = [row for row in rows if row.values is not None]
        for row in rows:
            if row.values is None:
                report.refuse(row.line, row.reason)
        try:
            report.counts.update(self._together(good))
        except UnavailableError:
            raise
        except StrataError:
            for row in good:
                try:
                    report.counts.update(self._together([row]))
                except UnavailableError:
                    raise
                except StrataError as error:
                    report.refuse(row.line, error.detail)

    def _together(self, rows: list[Row]) -> Counter[str]:
        counts: Counter[str] = Counter()
        try:
            with self.units.system() as uow:
                for row in rows:
                    legacy = legacy_user(row.values or {})
                    counts[import_user(self.ctx, uow, self.box, self.source, legacy, role=self.role)] += 1
                if self.is_dry_run:
                    raise _DryRunError
        except _DryRunError:
            return counts
        return counts


def run_import_users(
    settings: Settings, file: Path, *, org: str, source: str, role: str, is_dry_run: bool, as_json: bool
) -> int:
    """The exit code: 1 when any row was refused."""
    check_role(role)
    if not 1 <= len(source) <= NAME_LENGTH or not source.isprintable():
        raise InvalidError("this is not the name of a source", code="bad_source", hint="a word, such as `legacy`")
    report = Report()
    with administration(settings, "strata import") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            organization_id = OrganizationId(organization_of(uow, org).id)
        ctx = Context(organization_id, OPERATOR, PERMISSIONS, f"import-{uuid4()}")
        importer = Importer(relational.system_units, relational.secret_box, ctx, source, role, is_dry_run)
        rows = _with_progress(file)
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            importer.take(batch, report)
    _tell(report, is_dry_run=is_dry_run, as_json=as_json)
    return EXIT_PROBLEM if report.problems else 0


def read_rows(file: Path) -> Iterator[tuple[Row, int]]:
    """Each row with how many bytes of the file were read so far. Raises InvalidError for a file that is none."""
    if file.suffix not in {".csv", ".jsonl"}:
        raise InvalidError("the file's name must end in .csv or .jsonl", code="bad_file")
    try:
        with file.open("rb") as stream:
            yield from _csv_rows(stream) if file.suffix == ".csv" else _json_rows(stream)
    except OSError as error:
        raise InvalidError(f"{file} cannot be read: {error.strerror}", code="bad_file") from error


def _lines(stream: Iterator[bytes], counted: list[int]) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        counted[0] += len(line)
        if len(line) > LEGACY_LINE_BYTES:
            raise InvalidError(f"line {number} has more than {LEGACY_LINE_BYTES} bytes", code="bad_file")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InvalidError(f"line {number} is not UTF-8", code="bad_file") from None


def _csv_rows(stream: Iterator[bytes]) -> Iterator[tuple[Row, int]]:
    counted = [0]
    reader = csv.DictReader(_lines(stream, counted), strict=True)
    names = list(reader.fieldnames or ())
    if not {"id", "email"} <= set(names) or len(set(names)) != len(names):
        raise InvalidError("the first line must name each column once, `id` and `email` among them", code="bad_file")
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(reader.line_num, None, f"not CSV: {error}"), counted[0]
            continue
        if None in values or None in values.values():
            yield Row(reader.line_num, None, f"expected {len(names)} columns"), counted[0]
        else:
            yield Row(reader.line_num, dict(values)), counted[0]


def _json_rows(stream: Iterator[bytes]) -> Iterator[tuple[Row, int]]:
    counted = [0]
    for number, line in enumerate(_lines(stream, counted), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            yield Row(number, None, "not JSON"), counted[0]
            continue
        if isinstance(values, dict):
            yield Row(number, values), counted[0]
        else:
            yield Row(number, None, "not a JSON object"), counted[0]


def _with_progress(file: Path) -> Iterator[Row]:
    """The bar is on stderr, and only on a terminal."""
    size = file.stat().st_size if file.is_file() else 0
    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as progress:
        task = progress.add_task("importing", total=size)
        for row, read_bytes in read_rows(file):
            progress.update(task, completed=read_bytes)
            yield row


def _tell(report: Report, *, is_dry_run: bool, as_json: bool) -> None:
    if as_json:
        problems = [{"line": line, "reason": reason} for line, reason in report.problems]
        print_json({"dry_run": is_dry_run, "counts": dict(report.counts), "problems": problems})
        return
    for line, reason in report.problems[:_SHOWN]:
        err.print(f"line {line}: {reason}", markup=False)
    if len(report.problems) > _SHOWN:
        err.print(f"… and {len(report.problems) - _SHOWN} more; --json lists all", markup=False)
    done = ", ".join(f"{count} {name}" for name, count in sorted(report.counts.items())) or "no rows"
    out.print(f"{done}{' (dry run: nothing was changed)' if is_dry_run else ''}", markup=False)
