"""
The content of one POST: the body and the headers that belong to its batch.

Events are encoded when they enter the spool. A body joins these bytes as the backend's
format says.
"""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache, partial

from exporter.events import DEFAULT_TENANT, FORMATS, Format
from exporter.spool import Batch, Limits

IDENTITIES_HEADER = "X-Event-Ids"
KEY_HEADER = "Idempotency-Key"
TENANT_HEADER = "X-Physical-Tenant-Id"
IDENTITIES_BYTES = 4096
SHORTEST_IDENTITY = len("1-1-1795435200000")

USUAL = FORMATS["camunda"]


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a POST that differs between batches."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = USUAL.content_type


def empty(body_format: Format = USUAL) -> Request:
    """
    Return a request without events, to test whether the backend accepts requests.

    In a format with one event per request its body is empty.
    """
    body = body_format.before + body_format.after
    return Request(body, content_type=body_format.content_type)


def request_of(
    batch: Batch, cluster_id: str, body_format: Format = USUAL, salt: str = ""
) -> Request:
    """
    Return the request for *batch*; identities are in the order of the events.

    *salt* changes its idempotency key. Without it, the key survives a restart.
    """
    events = batch.events
    identities = ",".join(event.identity_in(cluster_id) for event in events)
    bodies = [body_format.write(event, cluster_id) for event in events]
    body = body_format.before + body_format.between.join(bodies) + body_format.after
    headers = {IDENTITIES_HEADER: identities, KEY_HEADER: name_of(salt + identities)}
    if batch.tenant != DEFAULT_TENANT:
        headers[TENANT_HEADER] = batch.tenant
    return Request(body, headers, body_format.content_type)


def name_of(identities: str) -> str:
    """Return the name of a batch."""
    return hashlib.sha256(identities.encode()).hexdigest()


def limits_of(
    *,
    events: int,
    body_bytes: int,
    cluster_id: str,
    linger_seconds: float,
    body_format: Format = USUAL,
) -> Limits:
    """Return the limits of a batch whose body has at most *body_bytes*."""
    prefix = len(f"{cluster_id}-") if cluster_id else 0
    # The header can't hold more identities, so no more events are read.
    fitting = IDENTITIES_BYTES // (prefix + SHORTEST_IDENTITY + 1)
    return Limits(
        events=1 if body_format.alone else min(events, fitting),
        bytes=body_bytes - len(empty(body_format).body),
        identities=IDENTITIES_BYTES,
        prefix=prefix,
        added=lru_cache(partial(body_format.most_added, cluster_id)),
        linger_seconds=linger_seconds,
    )
