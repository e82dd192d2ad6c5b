"""The bytes of a request in each format."""

import json
import re
import string

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.base import codec
from exporter.events import CATALOG, FORMATS, Event, Mapper
from tests.contract import EVENT, RECORD
from tests.records import line

CAMUNDA, EXTENDED, CLOUD_EVENTS, SINGLE = FORMATS.values()
KINDS = [each.name_of(kind) for each in CATALOG for kind in each.kinds]
ADDED = ["eventId", "partition", "position", "timestamp", "brokerVersion"]
URI = re.compile(r"[a-z][a-z0-9+.-]*:[A-Za-z0-9._~:/?@!$&'()*+,;=-]+(#[a-z.-]+)?")
REFERENCE = re.compile(r"/[A-Za-z0-9._~/%-]+")
LARGEST = 2**63 - 1

CREATED = Mapper().event(line(RECORD))
BARE = Event(2, 7, 1795446847000, -1, -1, b"{}")

keys = st.integers(-(2**63), LARGEST)
places = st.integers(0, LARGEST)
bodies = st.dictionaries(
    st.text(), st.text() | st.lists(st.text()) | st.integers(), max_size=4
).map(codec.encode)
NAME = f"{string.ascii_letters}{string.digits}._-"
clusters = st.text(NAME, max_size=64)
tenants = st.text(f"{NAME}~%", min_size=1, max_size=64)
odd_events = st.builds(
    Event,
    partition=st.integers(1, LARGEST),
    position=places,
    timestamp=places | st.integers(253402300799990, 253402300800010),
    key=keys,
    instance=keys,
    body=bodies,
    kind=st.sampled_from(["", *KINDS]),
    broker=st.text(f"{NAME}+", max_size=32),
    tenant=st.just("default") | tenants,
)
HALF = BARE._replace(body=rb'{"assignee":"half \ud83d of it"}')


def batch_of(form, events, cluster_id=""):
    """Return the body of a request with *events*."""
    written = form.between.join(form.write(event, cluster_id) for event in events)
    return form.before + written + form.after


def received(written):
    """Return one event as the official SDK reads it."""
    headers = {"content-type": "application/cloudevents+json"}
    return from_structured_event(HTTPMessage(headers, written))


def test_camunda():
    """The default format is what the official exporter sends."""
    assert CAMUNDA.content_type == "application/json"
    assert batch_of(CAMUNDA, [CREATED, BARE], "f3b2") == (
        b'{"events":[' + EVENT + b",{}]}"
    )
    assert batch_of(CAMUNDA, []) == b'{"events":[]}'


def test_camunda_extended():
    """The extended format adds fields at the end."""
    assert EXTENDED.content_type == "application/json"
    assert batch_of(EXTENDED, [CREATED, BARE], "f3b2") == (
        b'{"events":['
        + EVENT[:-1]
        + b',"eventId":"f3b2-1-73-1795446847160","partition":1,"position":73,'
        b'"timestamp":1795446847160,"brokerVersion":"8.6.0"},'
        b'{"eventId":"f3b2-2-7-1795446847000","partition":2,"position":7,'
        b'"timestamp":1795446847000,"brokerVersion":""}]}'
    )
    assert batch_of(EXTENDED, []) == b'{"events":[]}'


def test_cloud_events():
    """A batch of CloudEvents is an array."""
    assert CLOUD_EVENTS.content_type == "application/cloudevents-batch+json"
    assert batch_of(CLOUD_EVENTS, [CREATED, BARE], "f3b2") == (
        b'[{"specversion":"1.0","id":"f3b2-1-73-1795446847160",'
        b'"source":"/camunda/f3b2","type":"io.camunda.user-task.created",'
        b'"subject":"2251799813685957","datacontenttype":"application/json",'
        b'"partitionkey":"2251799813685951","time":"2026-11-23T15:14:07.160Z",'
        b'"dataschema":"tag:camunda.io,2026:app-integrations-exporter/events#'
        b'user-task.created","data":' + EVENT + b"},"
        b'{"specversion":"1.0","id":"f3b2-2-7-1795446847000",'
        b'"source":"/camunda/f3b2","type":"io.camunda.event",'
        b'"subject":"-1","datacontenttype":"application/json",'
        b'"partitionkey":"2","time":"2026-11-23T15:14:07.000Z","data":{}}]'
    )
    assert batch_of(CLOUD_EVENTS, []) == b"[]"


def test_the_official_sdk():
    """The official SDK reads a CloudEvent in structured mode."""
    written = batch_of(SINGLE, [CREATED], "f3b2")
    read = received(written)

    assert SINGLE.content_type == "application/cloudevents+json"
    assert written == CLOUD_EVENTS.write(CREATED, "f3b2")
    assert read.get_id() == CREATED.identity_in("f3b2")
    assert read.get_source() == "/camunda/f3b2"
    assert read.get_type() == "io.camunda.user-task.created"
    assert read.get_subject() == str(CREATED.key)
    assert read.get_time().timestamp() == CREATED.timestamp / 1000
    assert read.get_extension("partitionkey") == str(CREATED.instance)
    assert read.get_data() == json.loads(EVENT)


def test_without_a_cluster_id():
    """Without a cluster id, no format has one."""
    cloud_event = json.loads(CLOUD_EVENTS.write(CREATED, ""))

    assert json.loads(EXTENDED.write(CREATED, ""))["eventId"] == CREATED.identity
    assert (cloud_event["id"], cloud_event["source"]) == (CREATED.identity, "/camunda")


def test_of_a_physical_tenant():
    """Two formats have the physical tenant, and the default one doesn't."""
    event = CREATED._replace(tenant="east")
    identity = "f3b2-east-1-73-1795446847160"
    cloud_event = json.loads(CLOUD_EVENTS.write(event, "f3b2"))

    assert json.loads(EXTENDED.write(event, "f3b2"))["eventId"] == identity
    assert cloud_event["id"] == identity
    assert cloud_event["source"] == "/camunda/f3b2/physical-tenants/east"
    assert cloud_event["partitionkey"] == "east-2251799813685951"
    assert CAMUNDA.write(event, "f3b2") == EVENT


def test_added_fields():
    """The names of added fields are used by no event."""
    assert not {f.name for t in CATALOG for k in t.kinds for f in t.fields_of(k)} & {
        *ADDED
    }


@settings(max_examples=50)
@given(odd_events, clusters)
@example(HALF, "")
@example(BARE, "f3b2")
@example(CREATED._replace(timestamp=LARGEST), "x")
def test_any_event_as_a_cloud_event(event, cluster_id):
    """Any event is a valid CloudEvent."""
    written = CLOUD_EVENTS.write(event, cluster_id)
    attributes = json.loads(written)
    data = attributes.pop("data")

    assert received(written).get_data() == data == json.loads(event.body)
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in attributes)
    assert all(isinstance(value, str) and value for value in attributes.values())
    assert REFERENCE.fullmatch(attributes["source"])
    assert attributes["type"].startswith("io.camunda.")
    assert ("dataschema" in attributes) is bool(event.kind)
    assert not event.kind or URI.fullmatch(attributes["dataschema"])
    assert ("time" in attributes) is (event.timestamp < 253402300800000)
    assert "time" not in attributes or len(attributes["time"]) == 24
    assert written.endswith(b',"data":' + event.body + b"}")


@settings(max_examples=50)
@given(odd_events, clusters)
@example(CREATED, "x" * 64)
def test_the_most_that_a_format_adds(event, cluster_id):
    """`most_added` is an upper bound for all events, and 0 in the default format."""
    for form in FORMATS.values():
        added = len(form.write(event, cluster_id)) - len(event.body)

        assert added <= form.most_added(cluster_id, event.tenant)
        assert form.most_added(cluster_id) < (1 if form is CAMUNDA else 600)
