"""With an endpoint set, requests and the store calls within them arrive there as one trace."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from scenario.up import Up
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scenario-embedded"), pytest.mark.timeout(300)]


@pytest.fixture
def collector():
    spans = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", spans
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_request_and_its_store_calls_are_one_trace_without_credentials(collector, data_dir, tmp_path):
    endpoint, spans = collector
    up = Up(data_dir, tmp_path / "up.log")
    up.process.environment["STRATA_TRACES_ENDPOINT"] = endpoint
    up.process.environment["OTEL_BSP_SCHEDULE_DELAY"] = "200"
    up.start()
    try:
        url = f"http://127.0.0.1:{up.ingest_port}/write?db=x&u=agent&p=hunter2secret"
        assert httpx.post(url, content="m value=1", trust_env=False).status_code == 401
        tenant = up.tenant("acme")
        tenant.items("hosts")
        tenant.close()
        eventually(lambda: any("/hosts" in span.name for span in spans), 20, what="the request's span")
    finally:
        assert up.process.stop() == 0
    request = next(span for span in spans if "/hosts" in span.name and not span.parent_span_id)
    within = [span.name for span in spans if span.trace_id == request.trace_id]
    assert "store postgres" in within
    assert not any("hunter2secret" in str(span) for span in spans)
