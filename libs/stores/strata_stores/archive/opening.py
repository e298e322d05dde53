"""From a URL to a store of obstore's, with time-outs and few retries.

s3://bucket/prefix?region=…&endpoint=…, with key:secret@ before the bucket where the machine has no credentials of its
own (environment, instance profile); gs://bucket/prefix; az://account/container/prefix; file:///directory.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from obstore.store import ObjectStore, S3Store, from_url

from strata_datamodel.errors import InvalidError

if TYPE_CHECKING:  # obstore has these in its stubs only
    from obstore.store import ClientConfig, RetryConfig, S3Config

_RETRIES: Final = 2
_BACKOFF: Final = timedelta(milliseconds=100)
_S3_OPTIONS: Final = frozenset({"region", "endpoint"})


def open_remote_store(url: str, *, connect_timeout_s: float, timeout_s: float) -> ObjectStore:
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=connect_timeout_s),
        "timeout": timedelta(seconds=timeout_s),
    }
    retry: RetryConfig = {
        "max_retries": _RETRIES,
        "retry_timeout": timedelta(seconds=timeout_s),
        "backoff": {"init_backoff": _BACKOFF, "max_backoff": _BACKOFF * 10, "base": 2},
    }
    if urlsplit(url).scheme == "s3":
        return _open_s3(url, client, retry)
    return from_url(url, client_options=client, retry_config=retry)


def _open_s3(url: str, client: "ClientConfig", retry: "RetryConfig") -> ObjectStore:
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if not parts.hostname or not options.keys() <= _S3_OPTIONS:
        raise InvalidError(
            "the archive URL must look like s3://bucket/prefix?region=…&endpoint=…", code="bad_archive_url"
        )
    config: S3Config = {}
    if "region" in options:
        config["region"] = options["region"]
    if "endpoint" in options:
        config["endpoint"] = options["endpoint"]
        client["allow_http"] = options["endpoint"].startswith("http://")
    if parts.username and parts.password:
        config["access_key_id"] = unquote(parts.username)
        config["secret_access_key"] = unquote(parts.password)
    bucket = parts.netloc.rpartition("@")[2]  # `hostname` would be in lower case
    return S3Store(
        bucket, prefix=parts.path.strip("/") or None, config=config, client_options=client, retry_config=retry
    )
