"""The API as a command asks it: with a key that stood on no command line, which every process here can read."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import orjson

from strata_datamodel.errors import DeniedError, InvalidError, NotFoundError, Problem, StrataError, UnavailableError
from strata_datamodel.limits import KIB, REQUEST_TIMEOUT_S
from strata_stores.embedded.directory import running_instance
from strata_stores.settings import Settings

_KEY_BYTES: Final = 4 * KIB
_KINDS: Final[Mapping[int, type[StrataError]]] = {401: DeniedError, 403: DeniedError, 404: NotFoundError}
_UNAVAILABLE: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Api:
    url: str
    key: str = field(repr=False)

    def post(self, path: str, *, json: object = None, form: Mapping[str, str] | None = None) -> bytes:
        """The answer's bytes. Raises what the API's refusal means, and UnavailableError when nothing answers."""
        return self._asked("POST", path, json, form)

    def get(self, path: str) -> bytes:
        return self._asked("GET", path, None, None)

    def own_organization(self) -> str:
        """The one that the key is of."""
        organizations = orjson.loads(self.get("/api/v1/me"))["organizations"]
        return str(organizations[0]["slug"])

    def _asked(self, method: str, path: str, json: object, form: Mapping[str, str] | None) -> bytes:
        headers = {"authorization": f"Bearer {self.key}"}
        url = f"{self.url.rstrip('/')}{path}"
        timeout_s = 2 * REQUEST_TIMEOUT_S
        try:
            answer = httpx.request(
                method, url, json=json, data=form, headers=headers, timeout=timeout_s, trust_env=False
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(
                f"{self.url} does not answer: {type(error).__name__}",
                code="api_unreachable",
                hint="name the API with --url or STRATA_API_URL, or start Strata",
            ) from None
        if not answer.is_success:
            raise _refusal(answer)
        return answer.content


def open_api(settings: Settings, *, url: str | None, key_file: Path | None) -> Api:
    """Raises InvalidError (code `no_api_key`, `bad_file`)."""
    running = running_instance(settings.data_dir)
    found = url or settings.api_url or (running.api_url if running is not None else None) or settings.browser_url
    return Api(found, _key(settings, key_file))


def _key(settings: Settings, key_file: Path | None) -> str:
    if key_file is not None:
        key = _content(key_file).strip()
    else:
        key = "" if settings.api_key is None else settings.api_key.get_secret_value()
    if not key or not key.isascii() or not key.isprintable():
        raise InvalidError(
            "there is no API key to ask with",
            code="no_api_key",
            hint="put it into STRATA_API_KEY, or into a file that --key-file names; `-` reads it from stdin",
        )
    return key


def _content(file: Path) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.readline(_KEY_BYTES)
        with file.open(encoding="utf-8") as opened:
            return opened.read(_KEY_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"{file} cannot be read: {type(error).__name__}", code="bad_file") from error


def _refusal(answer: httpx.Response) -> StrataError:
    """From a problem of ours, or from what InfluxDB's and Prometheus' clients are told."""
    told = _told(answer.content)
    code = str(told.get("code") or told.get("errorType") or f"http_{answer.status_code}")
    detail = str(told.get("detail") or told.get("error") or f"the API answered {answer.status_code}")
    hint = told.get("hint")
    places = told.get("errors")
    problems = [
        Problem(str(each.get("pointer")), str(each.get("detail")))
        for each in (places if isinstance(places, list) else [])
        if isinstance(each, dict)
    ]
    kind = UnavailableError if answer.status_code in _UNAVAILABLE else _KINDS.get(answer.status_code, InvalidError)
    return kind(detail, code=code, hint=None if hint is None else str(hint), problems=problems)


def _told(content: bytes) -> dict[str, object]:
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}
