"""
Answers in the form that Elasticsearch clients require.

Clients of brokers since 8.9 reject a success without the product header, and any answer
that isn't JSON. The broker logs the body of an error, so it's written for operators.
"""

from collections.abc import Iterable

from aiohttp import web

from exporter import __version__
from exporter.base import codec

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
NOTHING = codec.encode({})
ACKNOWLEDGED = codec.encode({"acknowledged": True})
# The OpenSearch exporter would delete an existing policy, so there is none.
NO_POLICY = codec.encode({"found": False})
POLICY = codec.encode({"policy": {}})
NO_INDICES = codec.encode(
    {"updated_indices": 0, "failures": False, "failed_indices": []}
)
# The names of errors in Elasticsearch.
DEFAULT_TYPE = "illegal_argument_exception"
TYPES = {
    400: "parse_exception",
    401: "security_exception",
    403: "security_exception",
    429: "es_rejected_execution_exception",
    503: "es_rejected_execution_exception",
}
# All clients accept this version; the tagline is for people.
INFO = codec.encode(
    {
        "name": "app-integrations-exporter",
        "cluster_name": "app-integrations-exporter",
        "cluster_uuid": "_na_",
        "version": {
            "number": "8.19.0",
            "build_flavor": "default",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": f"App Integrations Exporter {__version__}, not Elasticsearch",
    }
)


def json(body: bytes, status: int = 200, **headers: str) -> web.Response:
    """Return an answer with the JSON in *body*."""
    return web.Response(
        body=body,
        status=status,
        headers=PRODUCT | headers,
        content_type="application/json",
    )


def bulk(items: Iterable[bytes]) -> web.Response:
    """Return the answer to a successful bulk request, with one item for each action."""
    return json(b'{"took":0,"errors":false,"items":[%b]}' % b",".join(items))


def error(status: int, reason: str, **headers: str) -> web.Response:
    """Return an error; *reason* says what happened and what to do."""
    about = {"type": TYPES.get(status, DEFAULT_TYPE), "reason": reason}
    body = {"error": {"root_cause": [about], **about}, "status": status}
    return json(codec.encode(body), status, **headers)
