"""
Answers in the form that Elasticsearch clients require.

Clients of brokers since 8.9 reject a success without the product header, and any answer
that isn't JSON. The broker logs the body of an error, so it's written for operators.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from exporter import __version__
from exporter.base import codec

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
NAME = "app-integrations-exporter"


class RefusedError(Exception):
    """A request is refused; *reason* says what happened and what to do."""

    def __init__(self, status: int, reason: object) -> None:
        super().__init__(reason)
        self.status = status


def json(body: bytes, status: int = HTTPStatus.OK) -> web.Response:
    """Return an answer with the JSON in *body*."""
    return web.Response(
        body=body, status=status, headers=PRODUCT, content_type="application/json"
    )


def bulk(items: Iterable[bytes]) -> web.Response:
    """Return the answer to a successful bulk request, with one item for each action."""
    return json(b'{"took":0,"errors":false,"items":[%b]}' % b",".join(items))


def refusal(error: RefusedError) -> web.Response:
    """Return the answer to a request that is refused with *error*."""
    about = {"type": NAME, "reason": f"{error}"}
    body = {"error": {"root_cause": [about], **about}, "status": error.status}
    response = json(codec.encode(body), error.status)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = f'Basic realm="{NAME}"'
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        response.force_close()
    return response


def _always(answer: dict[str, Any], status: int = HTTPStatus.OK) -> Handler:
    body = codec.encode(answer)

    async def handler(_: web.Request) -> web.Response:
        return json(body, status)

    return handler


INFO = {
    "version": {"number": "8.19.0", "build_flavor": "default"},  # all clients accept it
    "tagline": f"App Integrations Exporter {__version__}, not Elasticsearch",
}
ACKNOWLEDGE = _always({"acknowledged": True})
# The OpenSearch exporter would delete an existing policy, so there is none.
NO_POLICY = _always({"found": False}, HTTPStatus.NOT_FOUND)
NO_INDICES = _always({"updated_indices": 0, "failures": False, "failed_indices": []})

SETUP = (
    web.get("/", _always(INFO)),
    web.put("/_component_template/{name}", ACKNOWLEDGE),
    web.put("/_index_template/{name}", ACKNOWLEDGE),
    web.put("/_ilm/policy/{name}", ACKNOWLEDGE),
    web.put("/{indices}/_settings", ACKNOWLEDGE),
    web.get("/_plugins/_ism/policies/{name}", NO_POLICY),
    web.put("/_plugins/_ism/policies/{name}", _always({"policy": {}})),
    web.post("/_plugins/_ism/add/{indices}", NO_INDICES),
    web.post("/_plugins/_ism/remove/{indices}", NO_INDICES),
)
"""The requests of brokers before the first bulk request."""
