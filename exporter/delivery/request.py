"""
What one POST carries: the body and the headers that belong to its batch.

Events were encoded when they entered the spool, so a body is their bytes, joined as the
backend's format says.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http import HTTPStatus

from exporter.delivery.outcome import Answer
from exporter.events import DEFAULT_TENANT, FORMATS, Format
from exporter.spool import Batch, Limits

IDENTITIES_HEADER = "X-Event-Ids"
BATCH_HEADER = "Idempotency-Key"
TENANT_HEADER = "X-Physical-Tenant-Id"
IDENTITIES_BYTES = 4096
MOST_UNANSWERED = 10_000
SHORTEST_IDENTITY = len("1-1-1795435200000")

USUAL = FORMATS["camunda"]


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a POST that differs from batch to batch."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = USUAL.content_type


def empty(written: Format = USUAL) -> Request:
    """
    Return a request without events: it asks whether the backend would take one.

    Its body is empty in a format where every event has a request of its own.
    """
    return Request(written.before + written.after, content_type=written.content_type)


def request_of(batch: Batch, cluster_id: str, written: Format = USUAL) -> Request:
    """Return the POST for *batch*, with the identities in the order of the events."""
    events = batch.events
    identities = ",".join(event.identity_in(cluster_id) for event in events)
    body = written.between.join(written.write(event, cluster_id) for event in events)
    headers = {IDENTITIES_HEADER: identities, BATCH_HEADER: name_of(identities)}
    if batch.tenant != DEFAULT_TENANT:
        headers[TENANT_HEADER] = batch.tenant
    return Request(written.before + body + written.after, headers, written.content_type)


def name_of(identities: str) -> str:
    """Return what names a batch: the same for the same events, also after a restart."""
    return hashlib.sha256(identities.encode()).hexdigest()


class Keys:
    """
    The keys of one backend's requests, by which it may tell that one is a repeat.

    An attempt has the key of the previous one only if no answer came: a backend may
    store an answer and give it again to the same key.
    """

    def __init__(self) -> None:
        """Start with keys made from the events alone, as before a restart."""
        self._salt = ""
        self._unanswered: dict[str, str] = {}
        """The keys of requests without an answer, by the names of their batches."""

    def give(self, request: Request) -> None:
        """Let *request* have its key."""
        name = request.headers[BATCH_HEADER]
        key = name_of(self._salt + name) if self._salt else name
        request.headers[BATCH_HEADER] = self._unanswered.get(name, key)

    def learn(self, request: Request, answer: Answer) -> None:
        """Learn that *request* got *answer*."""
        name, key = name_of(request.headers[IDENTITIES_HEADER]), BATCH_HEADER
        if answer.status is None:
            self._unanswered[name] = request.headers[key]
            if len(self._unanswered) > MOST_UNANSWERED:  # some came in other batches
                del self._unanswered[next(iter(self._unanswered))]
        elif answer.status != HTTPStatus.CONFLICT or name not in self._unanswered:
            # Else the backend still works on the attempt without an answer.
            self._unanswered.pop(name, None)
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                self._salt = secrets.token_hex()


def limits_of(
    *,
    events: int,
    body_bytes: int,
    cluster_id: str,
    linger_seconds: float,
    written: Format = USUAL,
) -> Limits:
    """Return what a batch may hold, so that its body has at most *body_bytes*."""
    prefix = len(f"{cluster_id}-") if cluster_id else 0
    # More identities than these can't fit, so no more events need be looked at.
    fitting = IDENTITIES_BYTES // (prefix + SHORTEST_IDENTITY + 1)
    return Limits(
        events=1 if written.alone else min(events, fitting),
        bytes=body_bytes - len(empty(written).body),
        identities=IDENTITIES_BYTES,
        prefix=prefix,
        added=lru_cache(partial(written.most_added, cluster_id)),
        linger_seconds=linger_seconds,
    )
