"""The connection to a cluster."""

from dataclasses import dataclass
from typing import Any

from elastic_transport import OrjsonSerializer
from elasticsearch import Elasticsearch


@dataclass(frozen=True, slots=True)
class ElasticAuth:
    """An API key in its encoded form, or a user with a password, or neither."""

    api_key: str | None = None
    username: str | None = None
    password: str | None = None


def connected(
    url: str, auth: ElasticAuth, *, request_timeout_s: float, connections: int, ca_certs: str | None
) -> Elasticsearch:
    """One address, that of a load balancer where there are several nodes. No retries: we know better what may be
    sent again. The client's own JSON decoder is replaced, since it is slow on large pages."""
    options: dict[str, Any] = {}
    if auth.api_key is not None:
        options["api_key"] = auth.api_key
    elif auth.username is not None:
        options["basic_auth"] = (auth.username, auth.password or "")
    if ca_certs is not None:
        options["ca_certs"] = ca_certs
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
