"""The connection to a cluster."""

from typing import Any

from elastic_transport import OrjsonSerializer
from elasticsearch import Elasticsearch


def connected(
    url: str,
    *,
    api_key: str | None,
    basic_auth: tuple[str, str] | None,
    ca_certs: str | None,
    request_timeout_s: float,
    connections: int,
) -> Elasticsearch:
    """One address, that of a load balancer where there are several nodes. No retries: we know better what may be
    sent again. The client's own JSON decoder is replaced, since it is slow on large pages."""
    given = {"api_key": api_key, "basic_auth": basic_auth, "ca_certs": ca_certs}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return Elasticsearch(
        url,
        request_timeout=request_timeout_s,
        max_retries=0,
        retry_on_timeout=False,
        retry_on_status=(),
        sniff_on_start=False,
        sniff_on_node_failure=False,
        connections_per_node=connections,
        serializer=OrjsonSerializer(),
        **options,
    )
