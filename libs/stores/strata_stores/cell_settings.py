"""What is set of each cell: where its metric store is."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, Field, SecretStr, ValidationError

from strata_core.cells.rules import DEFAULT_CELL

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_MOST: Final = 64
_EMBEDDED: Final = "embedded"


class CellSettings(BaseModel):
    """`repr` is safe: a URL may hold a password."""

    model_config = {"frozen": True, "extra": "forbid"}

    url: SecretStr
    token: SecretStr | None = None
    organization: str = "strata"
    database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "strata"

    @property
    def is_embedded(self) -> bool:
        return self.url.get_secret_value() == _EMBEDDED


def cells_of(given: str) -> Mapping[str, CellSettings]:
    """Of JSON, or of the path of a file with it. Raises ValueError that names all that is wrong, and repeats no
    value."""
    text = given if given.lstrip().startswith("{") else _content(Path(given), "it")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError("is not JSON") from None
    if not isinstance(document, dict) or not 1 <= len(document) <= _MOST:
        raise ValueError(f"must be a JSON object of 1 to {_MOST} cells by their names")
    problems: list[str] = []
    cells = {name: cell for name, raw in document.items() if (cell := _cell(name, raw, problems)) is not None}
    if problems:
        raise ValueError("; ".join(problems))
    return cells


def _cell(name: str, raw: object, problems: list[str]) -> CellSettings | None:
    if not _NAME.fullmatch(name) or name == DEFAULT_CELL:
        problems.append(f"{name[:40]!r} is not a cell's name: lower-case letters, digits and -, not {DEFAULT_CELL}")
        return None
    if not isinstance(raw, dict):
        problems.append(f"{name}: must be an object with a url")
        return None
    try:
        cell = CellSettings.model_validate(_with_token(raw))
    except ValidationError as error:
        problems += [f"{name}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        return None
    except ValueError as error:
        problems.append(f"{name}: {error}")
        return None
    problems += [f"{name}: {problem}" for problem in _problems_of(cell)]
    return cell


def _with_token(raw: Mapping[str, object]) -> dict[str, object]:
    """`token_file` names a file that holds the token, as everywhere."""
    given = dict(raw)
    path = given.pop("token_file", None)
    if path is not None:
        if "token" in given or not isinstance(path, str):
            raise ValueError("token_file must be a path, and stands instead of a token")
        given["token"] = _content(Path(path), "token_file")
    return given


def _problems_of(cell: CellSettings) -> Iterator[str]:
    if not cell.is_embedded and urlsplit(cell.url.get_secret_value()).scheme not in ("http", "https"):
        yield f"url: must be the word {_EMBEDDED} or a URL beginning with http:// or https://"


def _content(path: Path, what: str) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{what} names a file that cannot be read as text") from None
