"""
How events are written in a request: four formats, chosen for each backend.

Pure, and by joining bytes: the body of an event is never decoded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exporter.base import codec
from exporter.events.catalog import CATALOG
from exporter.events.event import DEFAULT_TENANT, Event

TYPE = "io.camunda."
"""What the type of a CloudEvent begins with: whose words these are."""
UNKNOWN = "event"
"""What happened, where an event was stored by a version that didn't note it."""
SCHEMA = "tag:camunda.io,2026:app-integrations-exporter/"
"""What the id of a kind's JSON Schema begins with.

CloudEvents want an absolute URI here, and the schemas have no address of their own: a
tag URI (RFC 4151) is absolute, and only names what it names. A schema that changes so
that older events don't fit it any more needs another one.
"""
SOURCE = "/camunda"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_TIME = 253_402_300_800_000
"""Milliseconds to the year 10000, from which on RFC 3339 has no words for a time."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a batch is written: what is around its events, and how each is."""

    name: str
    meaning: str
    content_type: str
    before: bytes
    between: bytes
    after: bytes
    write: Callable[[Event, str], bytes]
    """Writes an event of the cluster with this id; an empty one is none."""
    alone: bool = False
    """Whether every event has a request of its own."""

    def most_added(self, cluster_id: str, tenant: str = DEFAULT_TENANT) -> int:
        """Return how many bytes more than its body an event of *tenant* is, at most."""
        longest = (each._replace(tenant=tenant) for each in LONGEST)
        return max(len(self.write(each, cluster_id)) for each in longest) - len(SHORT)


EMPTY, SHORT = b"{}", b'{"":0}'
LONGEST = [
    Event(
        partition=2**63 - 1,
        position=2**63 - 1,
        timestamp=timestamp,
        key=-(2**63),
        instance=2**63 - 1,
        body=SHORT,
        kind=max((t.name_of(k) for t in CATALOG for k in t.kinds), key=len),
        broker=32 * "9",
    )
    for timestamp in (NO_TIME - 1, 2**63 - 1)
]


def _plain(event: Event, _: str) -> bytes:
    return event.body


def _extended(event: Event, cluster_id: str) -> bytes:
    more = codec.encode(
        {
            "eventId": event.identity_in(cluster_id),
            "partition": event.partition,
            "position": event.position,
            "timestamp": event.timestamp,
            "brokerVersion": event.broker,
        }
    )
    return more if event.body == EMPTY else event.body[:-1] + b"," + more[1:]


def _cloud_event(event: Event, cluster_id: str) -> bytes:
    source = f"{SOURCE}/{cluster_id}" if cluster_id else SOURCE
    key = f"{event.instance if event.instance > 0 else event.partition}"
    if event.tenant != DEFAULT_TENANT:
        source = f"{source}/physical-tenants/{event.tenant}"
        key = f"{event.tenant}-{key}"
    about = {
        "specversion": "1.0",
        "id": event.identity_in(cluster_id),
        "source": source,
        "type": TYPE + (event.kind or UNKNOWN),
        "subject": f"{event.key}",
        "datacontenttype": "application/json",
        "partitionkey": key,
    }
    if event.timestamp < NO_TIME:
        about["time"] = _time(event.timestamp)
    if event.kind:
        about["dataschema"] = SCHEMA + event.kind
    return codec.encode(about)[:-1] + b',"data":' + event.body + b"}"


def _time(milliseconds: int) -> str:
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


CAMUNDA = Format(
    "camunda",
    "as the official exporter writes them",
    "application/json",
    b'{"events":[',
    b",",
    b"]}",
    _plain,
)
EXTENDED = Format(
    "camunda-extended",
    "the same, and what tells an event from every other at the end of each",
    "application/json",
    b'{"events":[',
    b",",
    b"]}",
    _extended,
)
CLOUD_EVENTS = Format(
    "cloudevents",
    "CloudEvents 1.0 in JSON, many in one request",
    "application/cloudevents-batch+json",
    b"[",
    b",",
    b"]",
    _cloud_event,
)
SINGLE_CLOUD_EVENT = Format(
    "cloudevents-single",
    "the same (structured mode), one in each request, whatever `BATCH_SIZE` says",
    "application/cloudevents+json",
    b"",
    b"",
    b"",
    _cloud_event,
    alone=True,
)

FORMATS = {
    each.name: each for each in (CAMUNDA, EXTENDED, CLOUD_EVENTS, SINGLE_CLOUD_EVENT)
}
"""Every format by its name, the usual one first."""
