"""Every setting, and the only place that reads the environment.

Sources, strongest first: arguments, STRATA_* variables, STRATA_*_FILE (the value is the content of that file), `.env`.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import psycopg
from dotenv import dotenv_values
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from strata_core.cells.rules import DEFAULT_CELL
from strata_core.logs.retention import LOGS_KEPT_DAYS
from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.limits import ADDRESS_REQUESTS_PER_SECOND, LOG_PAST_DAYS, MIB
from strata_stores.cell_settings import CellSettings, cells_of
from strata_stores.channels.smtp_url import smtp_server
from strata_stores.embedded.directory import default_data_dir

PREFIX = "STRATA_"
TEST_PREFIX = "STRATA_TEST_"
EMBEDDED = "embedded"
Network = IPv4Network | IPv6Network
Port = Annotated[int, Field(ge=1, le=65535)]
_WRAPPING_KEY_BYTES = 32
_DOTENV = ".env"

SCHEMES: dict[str, tuple[str, ...]] = {
    "relational_url": ("postgresql",),
    "redis_url": ("redis", "rediss", "unix"),
    "metrics_url": ("http", "https"),
    "logs_url": ("http", "https"),
    "archive_url": ("file", "s3", "gs", "az"),
}


class Settings(BaseSettings):
    """A store URL is the word `embedded` or a server's URL."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", env_ignore_empty=True, frozen=True)

    data_dir: Path = Field(default_factory=default_data_dir)
    bind: str = "127.0.0.1"
    api_port: Port = 8400
    ingest_port: Port = 8401
    environment: Annotated[str, Field(pattern=r"^[a-z0-9]{1,16}$")] = "live"

    relational_url: SecretStr = SecretStr(EMBEDDED)
    relational_worker_url: SecretStr | None = None
    relational_owner_url: SecretStr | None = None
    relational_read_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    relational_read_lag_s: Annotated[float, Field(ge=0, le=3_600)] = 10.0
    redis_url: SecretStr = SecretStr(EMBEDDED)
    metrics_url: SecretStr = SecretStr(EMBEDDED)
    metrics_token: SecretStr | None = None
    metrics_organization: str = "strata"
    metrics_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "strata"
    cells: Annotated[Mapping[str, CellSettings] | None, NoDecode] = None
    cell_for_new: str = DEFAULT_CELL
    logs_url: SecretStr = SecretStr(EMBEDDED)
    logs_api_key: SecretStr | None = None
    logs_prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")] = "logs"
    logs_kept_days: Annotated[int, Field(gt=LOG_PAST_DAYS, le=3650)] = LOGS_KEPT_DAYS
    archive_url: SecretStr = SecretStr(EMBEDDED)

    smtp_url: SecretStr | None = None
    mail_from: Annotated[str, Field(pattern=r"^([^<>@\r\n]+ <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$")] = (
        "Strata <strata@localhost>"
    )

    wrapping_key: SecretStr | None = None
    audit_signing_key: SecretStr | None = None
    breached_passwords_file: Path | None = None
    spool_dir: Path | None = None
    spool_max_bytes: Annotated[int, Field(ge=16 * MIB)] = 4096 * MIB
    metrics_memory_bytes: Annotated[int, Field(ge=128 * MIB)] = 1024 * MIB
    self_service_organizations: Literal["off", "members"] = "off"
    public_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] | None = None
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    address_requests_per_second: Annotated[int, Field(ge=0)] = ADDRESS_REQUESTS_PER_SECOND
    ca_file: Path | None = None
    outbound_allow: Annotated[tuple[Network, ...], NoDecode] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    traces_endpoint: Annotated[str, Field(pattern=r"^https?://")] | None = None

    api_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    api_key: SecretStr | None = None

    @field_validator(*SCHEMES)
    @classmethod
    def _known_scheme(cls, value: SecretStr, info: object) -> SecretStr:
        name = str(getattr(info, "field_name", ""))
        text = value.get_secret_value()
        if text == EMBEDDED:
            return value
        scheme = urlsplit(text).scheme
        if scheme not in SCHEMES[name]:
            allowed = ", ".join(f"{s}://" for s in SCHEMES[name])
            raise ValueError(f"must be the word {EMBEDDED} or a URL beginning with {allowed}")
        return value

    @field_validator("cells", mode="before")
    @classmethod
    def _cells(cls, value: object) -> object:
        return cells_of(value) if isinstance(value, str) else value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                smtp_server(value.get_secret_value())
            except InvalidError as error:
                raise ValueError(f"must be {error.hint}") from None
        return value

    @field_validator("relational_url", "relational_worker_url", "relational_owner_url")
    @classmethod
    def _parsable(cls, value: SecretStr | None) -> SecretStr | None:
        """Here, where it can be told by name: the driver would repeat the URL, password and all."""
        if value is not None and value.get_secret_value() != EMBEDDED:
            try:
                conninfo_to_dict(value.get_secret_value())
            except psycopg.ProgrammingError:
                raise ValueError("is not a URL that PostgreSQL's library can read") from None
        return value

    @field_validator("relational_read_urls", mode="before")
    @classmethod
    def _replicas(cls, value: object) -> object:
        """With spaces between: a URL of PostgreSQL's may have commas."""
        urls = [SecretStr(part) for part in value.split()] if isinstance(value, str) else value
        for url in urls if isinstance(urls, list | tuple) else ():
            if urlsplit(url.get_secret_value()).scheme not in SCHEMES["relational_url"]:
                raise ValueError("must be URLs beginning with postgresql://, with spaces between")
            cls._parsable(url)
        return urls

    @field_validator("wrapping_key", "audit_signing_key")
    @classmethod
    def _key_length(cls, value: SecretStr | None) -> SecretStr | None:
        """Several with commas between while keys are rotated: the first wraps, all unwrap."""
        for text in value.get_secret_value().split(",") if value is not None else ():
            try:
                key = base64.b64decode(text, validate=True)
            except binascii.Error:
                raise ValueError("must be base64") from None
            if len(key) != _WRAPPING_KEY_BYTES:
                raise ValueError(f"must be {_WRAPPING_KEY_BYTES} bytes in base64, has {len(key)}")
        return value

    @field_validator("outbound_allow", "trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return tuple(ip_network(part.strip()) for part in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _ports_differ(self) -> "Settings":
        if self.api_port == self.ingest_port:
            raise ValueError(f"STRATA_API_PORT and STRATA_INGEST_PORT are both {self.api_port}: they must differ")
        return self

    @model_validator(mode="after")
    def _new_ones_have_a_cell(self) -> "Settings":
        if self.cell_for_new not in self.metric_cells:
            raise ValueError(f"STRATA_CELL_FOR_NEW names no cell: there is {', '.join(sorted(self.metric_cells))}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return (init_settings, env_settings, _FileVariants(settings_cls), _DotEnv(settings_cls))

    def is_embedded(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, SecretStr) and value.get_secret_value() == EMBEDDED

    @property
    def metric_cells(self) -> Mapping[str, CellSettings]:
        """With that of STRATA_METRICS_URL."""
        own = CellSettings(
            url=self.metrics_url,
            token=self.metrics_token,
            organization=self.metrics_organization,
            database=self.metrics_database,
        )
        return {DEFAULT_CELL: own, **(self.cells or {})}

    @property
    def has_embedded_metrics(self) -> bool:
        return any(cell.is_embedded for cell in self.metric_cells.values())

    @property
    def proxies(self) -> tuple[str, ...]:
        return tuple(str(network) for network in self.trusted_proxies)

    @property
    def browser_url(self) -> str:
        """What links in mails begin with."""
        if self.public_url is not None:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind, self.bind)  # noqa: S104 - read, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def spool_directory(self) -> Path:
        return self.spool_dir or self.data_dir / "spool"


class _FileVariants(PydanticBaseSettingsSource):
    """STRATA_X_FILE names a file that holds X: how containers and service managers hand over secrets."""

    def get_field_value(self, field: object, field_name: str) -> tuple[object, str, bool]:
        del field
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return _text_of(path) if path else None, field_name, False

    def __call__(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return found


class _DotEnv(PydanticBaseSettingsSource):
    """Our names in `.env`. Others share that file, and are none of our business."""

    def get_field_value(self, field: object, field_name: str) -> tuple[object, str, bool]:
        del field
        return _dotenv().get(f"{PREFIX}{field_name.upper()}"), field_name, False

    def __call__(self) -> dict[str, object]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value}


def _dotenv() -> dict[str, str]:
    values = dotenv_values(_DOTENV) if Path(_DOTENV).is_file() else {}
    return {name: value for name, value in values.items() if name.startswith(PREFIX) and value is not None}


def _text_of(path: str) -> str | None:
    """None when it cannot be read, which _environment_problems names."""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


class BadSettingsError(InvalidError):
    code = "bad_settings"


def load_settings(**overrides: object) -> Settings:
    """The settings, or BadSettingsError with every problem at once. No value of a setting is repeated in it."""
    given = {name: value for name, value in overrides.items() if value is not None}
    problems = _environment_problems()
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False, include_context=False):
            where = _variable(str(item["loc"][0])) if item["loc"] else "settings"
            problems.append(Problem(where, str(item["msg"]).removeprefix("Value error, ")))
    else:
        if not problems:
            return settings
    raise BadSettingsError(
        f"{len(problems)} setting{'s are' if len(problems) > 1 else ' is'} wrong",
        problems=problems,
        hint="The guide lists every setting: docs/guide/settings.md.",
    )


def scripted_faults() -> str | None:
    """What a test wants to happen at named places of this process. Two variables, of which neither does anything alone:
    one that got into a product's environment by accident harms nobody."""
    is_allowed = os.environ.get(f"{TEST_PREFIX}ALLOWS_FAULTS") == "yes"
    return os.environ.get(f"{TEST_PREFIX}FAULT_POINTS") or None if is_allowed else None


def _variable(location: str) -> str:
    return location.upper() if location.upper().startswith(PREFIX) else f"{PREFIX}{location.upper()}"


def _environment_problems() -> list[Problem]:
    """A misspelt variable would be ignored in silence, which is found out at the worst time: it is refused."""
    fields = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    problems: list[Problem] = []
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or name.startswith(TEST_PREFIX) or name in fields:
            continue
        base = name.removesuffix("_FILE")
        if base == name or base not in fields:
            problems.append(Problem(name, "no such setting"))
        elif base in os.environ:
            problems.append(Problem(name, f"given together with {base}: set one of the two"))
        elif _text_of(os.environ[name]) is None:
            problems.append(Problem(name, "names a file that cannot be read as text"))
    problems += [
        Problem(f"{name} in {_DOTENV}", "no such setting")
        for name in _dotenv()
        if name not in fields and not name.startswith(TEST_PREFIX)
    ]
    return problems


def refuse_embedded(settings: Settings, names: tuple[str, ...], role: str) -> None:
    """A role that runs as a process of its own cannot share stores that live inside another process."""
    problems = [
        Problem(_variable(name), f"is {EMBEDDED}, but `strata {role}` needs a server")
        for name in names
        if settings.is_embedded(name)
    ]
    problems += [
        Problem(_variable("cells"), f"{name} is {EMBEDDED}, but `strata {role}` needs a server")
        for name, cell in (settings.cells or {}).items()
        if cell.is_embedded and "metrics_url" in names
    ]
    if settings.wrapping_key is None:
        problems.append(Problem(_variable("wrapping_key"), "is needed by every process that shares the stores"))
    if problems:
        raise BadSettingsError(
            f"`strata {role}` cannot run with these settings",
            problems=problems,
            hint="`strata up` runs every role in one process on embedded stores.",
        )


class RelationalUrls(BaseModel):
    """Where each database role logs in. `repr` is safe: a URL may hold a password."""

    model_config = {"frozen": True}

    app: SecretStr
    worker: SecretStr
    owner: SecretStr
