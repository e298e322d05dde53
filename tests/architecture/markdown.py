"""Reading the papers: headings, links, tables, code."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```(?:sh|console|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def papers() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "infra").rglob("*.md")]
    return sorted(found)


def anchors(text: str) -> set[str]:
    """Of headings, as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def links(text: str) -> list[str]:
    return _LINK.findall(_FENCE.sub("", text))


def tables(text: str) -> Iterator[list[str]]:
    """Rows with their cells, without heads."""
    previous = ""
    for line in text.splitlines():
        if line.startswith("|") and previous.startswith("|") and not re.match(r"^\|[\s:|-]+$", line):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        previous = line


def commands(text: str) -> list[str]:
    """Lines of shell blocks, continued lines joined."""
    joined = "\n".join(_FENCED.findall(text)).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
