"""
The four formats of requests; each backend has one.

Bodies are joined as bytes: the body of an event is never decoded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exporter.base import codec
from exporter.events.catalog import CATALOG
from exporter.events.event import DEFAULT_TENANT, Event

TYPE = "io.camunda."
"""The beginning of a CloudEvent's type."""
UNKNOWN = "event"
"""The end of the type when the kind of an event is unknown."""
SCHEMA = "tag:camunda.io,2026:app-integrations-exporter/events"
"""
The id of docs/schemas.json, in which each kind has an anchor.

CloudEvents require an absolute URI, and the schemas have no address. A tag URI (RFC
4151) is absolute, and is only a name. A schema that no longer accepts older events
needs another tag.
"""
SOURCE = "/camunda"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_TIME = 253_402_300_800_000
"""The year 10000 in milliseconds: RFC 3339 can't express later times."""


@dataclass(frozen=True, slots=True)
class Format:
    """The format of a batch and its events."""

    name: str
    meaning: str
    content_type: str
    before: bytes
    between: bytes
    after: bytes
    write: Callable[[Event, str], bytes]
    """Returns an event of a cluster in this format; the cluster id may be empty."""
    alone: bool = False
    """Whether each request has only one event."""

    def most_added(self, cluster_id: str, tenant: str = DEFAULT_TENANT) -> int:
        """Return how many bytes the format adds to an event of *tenant*, at most."""
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
        moment = EPOCH + timedelta(milliseconds=event.timestamp)
        text = moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
        about["time"] = f"{text}Z"
    if event.kind:
        about["dataschema"] = f"{SCHEMA}#{event.kind}"
    return codec.encode(about)[:-1] + b',"data":' + event.body + b"}"


JSON, EVENTS = "application/json", (b'{"events":[', b",", b"]}")
NOTHING = (b"", b"", b"")
BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
MEANINGS = (
    "as the official exporter sends them",
    "the same, with the identity and origin of each event added at its end",
    "CloudEvents 1.0 in JSON, many in one request",
    "the same (structured mode), one in each request, whatever `BATCH_SIZE` is",
)
FORMATS = {
    each.name: each
    for each in (
        Format("camunda", MEANINGS[0], JSON, *EVENTS, _plain),
        Format("camunda-extended", MEANINGS[1], JSON, *EVENTS, _extended),
        Format("cloudevents", MEANINGS[2], BATCH, b"[", b",", b"]", _cloud_event),
        Format(
            "cloudevents-single",
            MEANINGS[3],
            SINGLE,
            *NOTHING,
            _cloud_event,
            alone=True,
        ),
    )
}
"""All formats by name; the first one is the default."""
