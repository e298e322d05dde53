"""Answers in the form of Elasticsearch 8."""

import re
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

SERVER_VERSION: Final = "8.19.0"
_JSON: Final = "application/json"
# Clients refuse to talk to whatever does not carry this on every answer.
_PRODUCT: Final = {"X-Elastic-Product": "Elasticsearch"}
_COMPATIBLE: Final = re.compile(r"application/vnd\.elasticsearch\+(?:x-nd)?json;\s*compatible-with=([789])")

_TYPES: Final = {
    400: "illegal_argument_exception",
    401: "security_exception",
    403: "security_exception",
    404: "resource_not_found_exception",
    408: "timeout_exception",
    413: "content_too_long_exception",
    429: "es_rejected_execution_exception",
    503: "service_unavailable_exception",
}


def elastic_json(request: Request, content: bytes | object, status: int = 200) -> Response:
    """Versioned clients want the media type back that they named."""
    asked = (request.headers.get("accept", ""), request.headers.get("content-type", ""))
    version = _COMPATIBLE.search(" ".join(asked))
    media_type = f"application/vnd.elasticsearch+json;compatible-with={version[1]}" if version else _JSON
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, status, _PRODUCT, media_type=media_type)


def elastic_text(text: str) -> Response:
    return Response(text, 200, _PRODUCT, media_type="text/plain; charset=UTF-8")


def elastic_error(request: Request, status: int, text: str) -> Response:
    if status == 405:
        text = f"Incorrect HTTP method for uri [{request.url.path}] and method [{request.method}]"
        return elastic_json(request, {"error": text, "status": status}, status)
    cause = {"type": _TYPES.get(status, "exception"), "reason": text}
    return elastic_json(request, {"error": {"root_cause": [cause], **cause}, "status": status}, status)
