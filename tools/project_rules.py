"""Rules of this project that no general linter knows. Run by `make lint`; each has a planted violation in the tests."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE_LINES, TEST_LINES = 500, 600
WALL_CLOCKS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("time", "monotonic_ns"),
    ("time", "sleep"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
}
# Where real time may be read, each with its reason.
CLOCK_HOMES = (
    "libs/stores/strata_stores/clock.py",  # the adapter itself
    "libs/stores/strata_stores/embedded/",  # waits for processes, before and below any clock
    "tests/",  # waits with deadlines; sleeping is refused there by its own rule
    "tools/",
    "bench/",
)
SLEEP_HOMES = ("tests/waiting.py", "tests/faults/", "tests/fakes/")  # the poller, and servers that are slow on purpose
ENVIRONMENT_HOMES = ("libs/stores/strata_stores/settings.py", "tests/", "tools/", "bench/")
# The command line re-starts itself with allocator settings, which only the environment can carry to the C library.
ENVIRONMENT_HOMES += ("services/cli/strata_cli/allocator.py",)
COMMIT_HOMES = ("libs/stores/strata_stores/postgres/", "migrations/", "tests/", "tools/", "bench/")
COMMIT_HOMES += ("libs/stores/strata_stores/duckdb/", "libs/stores/strata_stores/tantivy/")  # their own transactions
UNIT_OPENERS = {"organization", "person", "credential", "system"}
NAMELESS = {"utils", "helpers", "common", "manager", "base", "misc", "util", "helper"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError|pytest\.mark\.(skip|xfail)\b")


@dataclass(frozen=True, slots=True)
class Finding:
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def check(path: str, source: str) -> Iterator[Finding]:
    """All findings in one file. `path` is relative to the root, with forward slashes."""
    yield from _size(path, source)
    if Path(path).stem in NAMELESS:
        yield Finding(path, 1, "a module named for nothing: find the concept's name")
    if path not in ("tools/project_rules.py", "tests/architecture/test_project_rules.py"):
        for number, line in enumerate(source.splitlines(), 1):
            if UNFINISHED.search(line):
                yield Finding(path, number, "unfinished work is an issue, not a comment or a skip")
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Call):
            yield from _call(path, node)
        elif isinstance(node, ast.ImportFrom):
            yield from _import(path, node)
        elif isinstance(node, ast.Attribute):
            yield from _attribute(path, node)


def _size(path: str, source: str) -> Iterator[Finding]:
    if path.startswith("migrations/strata_migrations/versions/"):
        return
    limit = TEST_LINES if path.startswith("tests/") else SOURCE_LINES
    lines = source.count("\n")
    if lines > limit:
        yield Finding(path, limit, f"{lines} lines, the limit is {limit}: it is two things")


def _call(path: str, node: ast.Call) -> Iterator[Finding]:
    if not isinstance(node.func, ast.Attribute):
        return
    name, owner = node.func.attr, _name(node.func.value)
    if (owner, name) in WALL_CLOCKS:
        if name == "sleep":
            if not path.startswith(("tools/", "bench/", "libs/stores/strata_stores/embedded/", *SLEEP_HOMES)):
                yield Finding(path, node.lineno, "sleeping: wait on an event, or poll with `eventually` in tests")
        elif not path.startswith(CLOCK_HOMES):
            yield Finding(path, node.lineno, f"{owner}.{name}() reads the wall clock: take a Clock")
    if name in {"commit", "rollback"} and not path.startswith(COMMIT_HOMES):
        yield Finding(path, node.lineno, f"{name}() outside the edge: the unit of work ends the transaction")
    if name in UNIT_OPENERS and owner.endswith("units") and path.startswith("libs/core/"):
        yield Finding(path, node.lineno, "core opens a unit of work: take one as an argument, edges open it")
    if owner == "os" and name in {"getenv", "putenv"} and not path.startswith(ENVIRONMENT_HOMES):
        yield Finding(path, node.lineno, "the environment is read in settings only")


def _import(path: str, node: ast.ImportFrom) -> Iterator[Finding]:
    """`from time import time` would get past the rules that look at calls."""
    names = {alias.name for alias in node.names}
    if node.module == "time" and names & {name for owner, name in WALL_CLOCKS if owner == "time"}:
        yield Finding(path, node.lineno, "import the module: the wall clock is looked for by its full name")
    if node.module == "os" and names & {"environ", "getenv", "putenv"}:
        yield Finding(path, node.lineno, "import the module: the environment is looked for by its full name")


def _attribute(path: str, node: ast.Attribute) -> Iterator[Finding]:
    if node.attr == "environ" and _name(node.value) == "os" and not path.startswith(ENVIRONMENT_HOMES):
        yield Finding(path, node.lineno, "the environment is read in settings only")


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return ""


def tracked_files(root: Path) -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in listing.stdout.splitlines() if (root / line).is_file()]


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    findings = [finding for path in tracked_files(root) for finding in check(path, (root / path).read_text("utf-8"))]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
