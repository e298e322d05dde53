"""InfluxDB 2.x: a bucket a tier, which InfluxQL sees as a database and a retention policy."""

# mypy: disable-error-code="no-untyped-call"
# The generated half of influxdb_client has no types.

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
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
from strata_stores.influx.influxql import Place, identifier
from strata_stores.influx.names import ORGANIZATION, physical_tag
from strata_stores.influx.transport import STORE

_EARLIEST: Final = datetime(1678, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2262, 1, 1, tzinfo=UTC)
_NOT_FOUND: Final = 404
_GONE_ON: Final = (401, 403, _NOT_FOUND)


class VersionTwo:
    def __init__(
        self,
        version: str,
        place: Place,
        *,
        url: str,
        token: str | None,
        organization: str,
        timeout_s: float,
        ca_file: Path | None = None,
    ) -> None:
        self.version = version
        self._place = place
        self._url = url
        self._token = token
        self._organization = organization
        self._timeout_ms = int(timeout_s * 1000)
        self._ca_file = str(ca_file) if ca_file else None
        self._bucket = f"{place.database}/{place.tier}"
        self.write_path = "/api/v2/write?" + urlencode({"org": organization, "bucket": self._bucket, "precision": "ns"})

    def prepare(self, retention: timedelta | None) -> None:
        with self._client() as client:
            buckets = client.buckets_api()
            wanted_s = 0 if retention is None else int(retention.total_seconds())  # 0 keeps for ever
            bucket = _found(buckets, self._bucket)
            if bucket is None:
                rules = BucketRetentionRules(type="expire", every_seconds=wanted_s)
                bucket = buckets.create_bucket(bucket_name=self._bucket, retention_rules=rules, org=self._organization)
            else:
                _lengthen(buckets, bucket, wanted_s)
            self._map_for_influxql(client, bucket.id)

    def delete_series(self, organization_id: OrganizationId, tag: TagPair | None) -> None:
        predicate = f"{ORGANIZATION}={identifier(str(organization_id))}"
        if tag is not None:
            predicate += f" AND {identifier(physical_tag(tag[0]))}={identifier(tag[1])}"
        with self._client() as client:
            client.delete_api().delete(_EARLIEST, _LATEST, predicate, bucket=self._bucket, org=self._organization)

    def _map_for_influxql(self, client: InfluxDBClient, bucket_id: str) -> None:
        mappings = DBRPsService(client.api_client)
        present = mappings.get_dbr_ps(org=self._organization, db=self._place.database, rp=self._place.tier)
        if any(mapping.bucket_id == bucket_id for mapping in present.content or ()):
            return
        mappings.post_dbrp(
            dbrp_create=DBRPCreate(
                org=self._organization,
                bucket_id=bucket_id,
                database=self._place.database,
                retention_policy=self._place.tier,
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


def _lengthen(buckets: BucketsApi, bucket: Bucket, wanted_s: int) -> None:
    rules = bucket.retention_rules
    present_s = rules[0].every_seconds if rules else 0
    if present_s and (not wanted_s or present_s < wanted_s):
        bucket.retention_rules = [BucketRetentionRules(type="expire", every_seconds=wanted_s)]
        buckets.update_bucket(bucket)
