"""
What one POST carries: the body and the headers that belong to its batch.

Events were encoded when they entered the spool, so a body is their bytes, joined.
"""

import hashlib
from dataclasses import dataclass, field

from exporter.spool import Batch, Limits

BEFORE, BETWEEN, AFTER = b'{"events":[', b",", b"]}"

IDENTITIES_HEADER = "X-Event-Ids"
BATCH_HEADER = "Idempotency-Key"
IDENTITIES_BYTES = 4096
SHORTEST_IDENTITY = len("1-1-1795435200000")


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a POST that differs from batch to batch."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


EMPTY = Request(BEFORE + AFTER)
"""Holds no event: asks whether the backend would take one."""


def request_of(batch: Batch, cluster_id: str) -> Request:
    """Return the POST for *batch*, with the identities in the order of the events."""
    before = _prefix(cluster_id)
    identities = ",".join(before + event.identity for event in batch.events)
    return Request(
        BEFORE + BETWEEN.join(event.body for event in batch.events) + AFTER,
        {IDENTITIES_HEADER: identities, BATCH_HEADER: name_of(identities)},
    )


def name_of(identities: str) -> str:
    """Return what names a batch: the same for the same events, also after a restart."""
    return hashlib.sha256(identities.encode()).hexdigest()


def limits_of(
    *, events: int, body_bytes: int, cluster_id: str, linger_seconds: float
) -> Limits:
    """Return what a batch may hold, so that its body has at most *body_bytes*."""
    prefix = len(_prefix(cluster_id))
    # More identities than these can't fit, so no more events need be looked at.
    fitting = IDENTITIES_BYTES // (prefix + SHORTEST_IDENTITY + 1)
    return Limits(
        events=min(events, fitting),
        bytes=body_bytes - len(EMPTY.body),
        identities=IDENTITIES_BYTES,
        prefix=prefix,
        linger_seconds=linger_seconds,
    )


def _prefix(cluster_id: str) -> str:
    return f"{cluster_id}-" if cluster_id else ""
