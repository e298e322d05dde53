"""InfluxDB 2.x: a bucket a tier, which InfluxQL sees as a database and a retention policy."""

# mypy: disable-error-code="no-untyped-call"
# The generated half of influxdb_client has no types.

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import urllib3
from influxdb_client.client.bucket_api import BucketsApi
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.bucket import Bucket
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.dbrp_create import DBRPCreate
from influxdb_client.rest import ApiException
from influxdb_client.service.dbr_ps_service import DBRPsService

from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import TagPair
from strata_datamodel.tiers import Tier
from strata_stores.influx.dialect import Span
from strata_stores.influx.influxql import identifier
from strata_stores.influx.keeping import Term
from strata_stores.influx.names import ORGANIZATION, physical_tag
from strata_stores.influx.transport import STORE

_EARLIEST: Final = "1678-01-01T00:00:00Z"
_LATEST: Final = "2262-01-01T00:00:00Z"
_NS_PER_S: Final = 1_000_000_000
_NOT_FOUND: Final = 404
_GONE_ON: Final = (401, 403, _NOT_FOUND)


class VersionTwo:
    def __init__(
        self,
        version: str,
        database: str,
        *,
        url: str,
        token: str | None,
        organization: str,
        timeout_s: float,
        ca_file: Path | None = None,
    ) -> None:
        self.version = version
        self._database = database
        self._url = url
        self._token = token
        self._organization = organization
        self._timeout_ms = int(timeout_s * 1000)
        self._ca_file = str(ca_file) if ca_file else None

    def write_path(self, tier: Tier) -> str:
        asked = {"org": self._organization, "bucket": self._bucket(tier), "precision": "ns"}
        return "/api/v2/write?" + urlencode(asked)

    def prepare(self, terms: Mapping[Tier, Term]) -> None:
        with self._client() as client:
            for tier, term in terms.items():
                bucket = _found(client.buckets_api(), self._bucket(tier))
                if bucket is None:
                    bucket = client.buckets_api().create_bucket(
                        bucket_name=self._bucket(tier), retention_rules=_rule(term), org=self._organization
                    )
                self._map_for_influxql(client, tier, bucket.id)

    def keep(self, terms: Mapping[Tier, Term]) -> None:
        with self._client() as client:
            buckets = client.buckets_api()
            for tier, term in terms.items():
                bucket = _found(buckets, self._bucket(tier))
                if bucket is None:
                    raise StoreUnavailableError(STORE, f"has no bucket {self._bucket(tier)}")
                if _term_of(bucket) != term:
                    bucket.retention_rules = _rule(term)
                    buckets.update_bucket(bucket)

    def delete_series(self, organization_id: OrganizationId, tag: TagPair | None) -> None:
        predicate = f"{ORGANIZATION}={identifier(str(organization_id))}"
        if tag is not None:
            predicate += f" AND {identifier(physical_tag(tag[0]))}={identifier(tag[1])}"
        for tier in Tier:
            self._delete(tier, _EARLIEST, _LATEST, predicate)

    def delete_span(self, span: Span) -> None:
        terms = []
        if span.measurement is not None:
            terms.append(f"_measurement={identifier(span.measurement)}")
        if span.organization_id is not None:
            terms.append(f"{ORGANIZATION}={identifier(str(span.organization_id))}")
        # Its end is part of what InfluxDB deletes.
        self._delete(span.tier, _instant(span.from_ns), _instant(span.to_ns - 1), " AND ".join(terms))

    def _delete(self, tier: Tier, start: str, stop: str, predicate: str) -> None:
        with self._client() as client:
            client.delete_api().delete(start, stop, predicate, bucket=self._bucket(tier), org=self._organization)

    def _bucket(self, tier: Tier) -> str:
        return f"{self._database}/{tier.value}"

    def _map_for_influxql(self, client: InfluxDBClient, tier: Tier, bucket_id: str) -> None:
        mappings = DBRPsService(client.api_client)
        present = mappings.get_dbr_ps(org=self._organization, db=self._database, rp=tier.value)
        if any(mapping.bucket_id == bucket_id for mapping in present.content or ()):
            return
        mappings.post_dbrp(
            dbrp_create=DBRPCreate(
                org=self._organization,
                bucket_id=bucket_id,
                database=self._database,
                retention_policy=tier.value,
                default=False,
            )
        )

    @contextmanager
    def _client(self) -> Iterator[InfluxDBClient]:
        try:
            client = InfluxDBClient(
                self._url,
                token=self._token or "",
                org=self._organization,
                timeout=self._timeout_ms,
                retries=False,
                ssl_ca_cert=self._ca_file,
            )
            with closing(client):
                yield client
        except ApiException as error:
            if error.status is not None and error.status < 500 and error.status not in (*_GONE_ON, 429):
                raise StoreRefusedError(STORE, f"answered {error.status}: {error.reason}") from error
            raise StoreUnavailableError(STORE, f"answered {error.status}: {error.reason}") from error
        except (InfluxDBError, urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreUnavailableError(STORE, f"did not answer: {type(error).__name__}") from error


def _found(buckets: BucketsApi, name: str) -> Bucket | None:
    """A bucket that is not there is an empty list or a 404, depending on the version."""
    try:
        bucket: Bucket | None = buckets.find_bucket_by_name(name)
    except ApiException as error:
        if error.status != _NOT_FOUND:
            raise
        return None
    return bucket


def _rule(term: Term) -> list[BucketRetentionRules]:
    kept_s = term.kept_s or 0  # which keeps for ever
    return [BucketRetentionRules(type="expire", every_seconds=kept_s, shard_group_duration_seconds=term.shard_s)]


def _term_of(bucket: Bucket) -> Term | None:
    rules = bucket.retention_rules
    return Term(rules[0].every_seconds or None, rules[0].shard_group_duration_seconds) if rules else None


def _instant(time_ns: int) -> str:
    seconds, rest_ns = divmod(time_ns, _NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"
