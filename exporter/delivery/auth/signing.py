"""
Signatures as in Standard Webhooks: the backend can tell that a request is ours.

Pure: the time comes from the caller. See https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable


def signed(
    keys: Iterable[bytes], identity: str, seconds: int, body: bytes
) -> dict[str, str]:
    """Return the headers that sign *body*, once with each of *keys*."""
    before = f"{identity}.{seconds}.".encode()
    signatures = (_signature(key, before, body) for key in keys)
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signatures),
    }


def _signature(key: bytes, before: bytes, body: bytes) -> str:
    code = hmac.new(key, before, hashlib.sha256)
    code.update(body)  # joining them would copy the whole body
    return "v1," + base64.b64encode(code.digest()).decode()
