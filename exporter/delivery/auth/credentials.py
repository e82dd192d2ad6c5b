"""
The headers that authenticate a request, with the credentials of this moment.

Signatures follow Standard Webhooks: https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from multidict import CIMultiDict

from exporter import __version__
from exporter.base.reread import Reread
from exporter.base.texts import KEY, headers_of, keys_of
from exporter.delivery.request import IDENTITIES_HEADER, Request, name_of

USER_AGENT = f"app-integrations-exporter/{__version__}"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The headers of all requests to one backend, except those of the batch."""

    constant: Mapping[str, str]
    """Headers that never change; empty ones are omitted."""
    extra: Reread[str]
    """More headers, as text."""
    api_key: Reread[str]
    api_key_header: str
    signing_keys: Reread[str]
    wall_clock: Callable[[], float]

    def headers(self, request: Request) -> CIMultiDict[str]:
        """Return all headers of *request*."""
        headers = CIMultiDict(headers_of(self.extra.current()))
        if api_key := self.api_key.current():
            headers[self.api_key_header] = api_key
        headers["Content-Type"] = request.content_type
        headers["User-Agent"] = USER_AGENT
        headers.update({name: value for name, value in self.constant.items() if value})
        headers.update(request.headers)
        if keys := keys_of(self.signing_keys.current()):
            name = name_of(request.headers.get(IDENTITIES_HEADER, ""))
            seconds = str(int(self.wall_clock()))
            signed = f"{name}.{seconds}.".encode()
            signatures = (_signature(key, signed, request.body) for key in keys)
            headers["webhook-id"] = name
            headers["webhook-timestamp"] = seconds
            headers["webhook-signature"] = " ".join(signatures)
        return headers

    @property
    def secrets(self) -> dict[str, str]:
        """Secrets that are never sent."""
        keys = self.signing_keys.current()
        return {"keys": keys, "bare keys": keys.replace(KEY, "")}

    @property
    def changes(self) -> int:
        """How often a credential changed."""
        watched = (self.extra, self.api_key, self.signing_keys)
        return sum(each.changes for each in watched)


def _signature(key: bytes, before: bytes, body: bytes) -> str:
    code = hmac.new(key, before, hashlib.sha256)
    code.update(body)  # not joined, which would copy the body
    return "v1," + base64.b64encode(code.digest()).decode()
