"""
What a request is answered with, in the form that Elasticsearch clients insist on.

Clients of brokers 8.9 and later refuse a success without the product header, and any
answer that isn't JSON. The broker logs the body of an error: it's for the operator.
"""

from collections.abc import Iterable

from aiohttp import web

from exporter import __version__
from exporter.base import codec

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
NOTHING = codec.encode({})
ACKNOWLEDGED = codec.encode({"acknowledged": True})
# A policy that doesn't exist: if it did, the OpenSearch exporter would delete it.
NO_POLICY = codec.encode({"found": False})
POLICY = codec.encode({"policy": {}})
NO_INDICES = codec.encode(
    {"updated_indices": 0, "failures": False, "failed_indices": []}
)
# What Elasticsearch calls its errors.
KIND = "illegal_argument_exception"
KINDS = {
    400: "parse_exception",
    401: "security_exception",
    403: "security_exception",
    429: "es_rejected_execution_exception",
    503: "es_rejected_execution_exception",
}
# The version is one that every client accepts; the tagline is for people.
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
    """Return *body*, which is JSON, with what every answer needs."""
    return web.Response(
        body=body,
        status=status,
        headers=PRODUCT | headers,
        content_type="application/json",
    )


def bulk(items: Iterable[bytes]) -> web.Response:
    """Return the success of a bulk request with one of *items* per action."""
    return json(b'{"took":0,"errors":false,"items":[%b]}' % b",".join(items))


def error(status: int, reason: str, **headers: str) -> web.Response:
    """Return an error that says in *reason* what happened and what to do."""
    about = {"type": KINDS.get(status, KIND), "reason": reason}
    body = {"error": {"root_cause": [about], **about}, "status": status}
    return json(codec.encode(body), status, **headers)
