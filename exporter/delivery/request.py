"""
The content of one POST: the body and the headers that belong to its batch.

Events are encoded when they enter the spool. A body joins these bytes as the backend's
format says.
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


def request_of(batch: Batch, cluster_id: str, body_format: Format = USUAL) -> Request:
    """Return the request for *batch*; identities are in the order of the events."""
    events = batch.events
    identities = ",".join(event.identity_in(cluster_id) for event in events)
    bodies = [body_format.write(event, cluster_id) for event in events]
    body = body_format.before + body_format.between.join(bodies) + body_format.after
    headers = {IDENTITIES_HEADER: identities, BATCH_HEADER: name_of(identities)}
    if batch.tenant != DEFAULT_TENANT:
        headers[TENANT_HEADER] = batch.tenant
    return Request(body, headers, body_format.content_type)


def name_of(identities: str) -> str:
    """Return the name of a batch; it is the same after a restart."""
    return hashlib.sha256(identities.encode()).hexdigest()


class Keys:
    """
    The idempotency keys of one backend's requests.

    A retry has the key of the previous attempt only if that got no answer. A backend
    may store an answer and repeat it for the same key.
    """

    def __init__(self) -> None:
        self._salt = ""
        """Empty at first: a key from before a restart is used again."""
        self._unanswered: dict[str, str] = {}
        """The keys of requests without an answer, by the name of the batch."""

    def give(self, request: Request) -> None:
        """Set the key of *request*."""
        name = request.headers[BATCH_HEADER]
        key = name_of(self._salt + name) if self._salt else name
        request.headers[BATCH_HEADER] = self._unanswered.get(name, key)

    def learn(self, request: Request, answer: Answer) -> None:
        """Record the *answer* to *request*."""
        name, key = name_of(request.headers[IDENTITIES_HEADER]), BATCH_HEADER
        if answer.status is None:
            self._unanswered[name] = request.headers[key]
            if len(self._unanswered) > MOST_UNANSWERED:  # other batches had the events
                del self._unanswered[next(iter(self._unanswered))]
        elif answer.status != HTTPStatus.CONFLICT or name not in self._unanswered:
            # Otherwise the backend is still working on the unanswered attempt.
            self._unanswered.pop(name, None)
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                self._salt = secrets.token_hex()


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
