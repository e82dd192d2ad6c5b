"""A POST carries the events of a batch, joined, and their identities beside them."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from exporter.delivery import EMPTY, limits_of
from exporter.delivery.request import Request, request_of
from exporter.events import Event
from exporter.spool import Batch, Entry

NOON = 1_795_435_200_000


def a_batch(*bodies):
    """Return a batch with an event for each of *bodies*."""
    return Batch(
        [
            Entry(number, Event(1, number, NOON, 7, 100, body))
            for number, body in enumerate(bodies, start=1)
        ]
    )


def test_one_event():
    """A single event is a list of one."""
    request = request_of(a_batch(b'{"id":"7"}'), "")

    assert request.body == b'{"events":[{"id":"7"}]}'
    assert request.headers["X-Event-Ids"] == f"1-1-{NOON}"


def test_body_and_identities_have_one_order():
    """The identities are in the order of the events, however many there are."""
    request = request_of(a_batch(b'{"n":1}', b'{"n":2}', b'{"n":3}'), "")

    assert request.body == b'{"events":[{"n":1},{"n":2},{"n":3}]}'
    assert request.headers["X-Event-Ids"] == f"1-1-{NOON},1-2-{NOON},1-3-{NOON}"


def test_identities_of_a_cluster():
    """With a cluster id every identity begins with it."""
    request = request_of(a_batch(b"{}", b"{}"), "eu-1")

    assert request.headers["X-Event-Ids"] == f"eu-1-1-1-{NOON},eu-1-1-2-{NOON}"


def test_the_name_of_a_batch():
    """It follows from the identities alone: the same events have the same name."""
    name, again, fewer, elsewhere = (
        request_of(batch, cluster).headers["Idempotency-Key"]
        for batch, cluster in (
            (a_batch(b"{}", b"{}"), ""),
            (a_batch(b"[]", b"[]"), ""),
            (a_batch(b"{}"), ""),
            (a_batch(b"{}", b"{}"), "eu-1"),
        )
    )

    assert name == again
    assert len({name, fewer, elsewhere}) == 3
    identities = f"1-1-{NOON},1-2-{NOON}".encode()
    assert name == hashlib.sha256(identities).hexdigest()


def test_a_body_is_never_encoded_again():
    """The bytes of an event are sent as the spool keeps them."""
    body = '{"assignee":"größte/✅","n":9007199254740993}'.encode()

    assert request_of(a_batch(body), "").body == b'{"events":[%b]}' % body


def test_a_request_without_events():
    """Whether a backend takes requests can be asked without an event."""
    assert Request(b'{"events":[]}', {}) == EMPTY


def test_limits():
    """A batch may hold what fits into its body and into 4 KiB of identities."""
    limits = limits_of(events=50, body_bytes=1000, cluster_id="", linger_seconds=0.5)

    assert (limits.events, limits.identities, limits.prefix) == (50, 4096, 0)
    assert limits.bytes == 1000 - len(b'{"events":[]}')
    assert limits.linger_seconds == 0.5


def test_limits_of_a_cluster():
    """The cluster's id, with its separator, counts for every identity."""
    limits = limits_of(events=1, body_bytes=1, cluster_id="eu-1", linger_seconds=0)

    assert limits.prefix == len("eu-1-")


@given(
    st.lists(st.integers(1, 40).map(lambda size: b'"%b"' % (b"x" * size)), min_size=1)
)
def test_sizes_are_as_limited(bodies):
    """A body is as long as its events, their commas, and what the limits allow for."""
    request = request_of(a_batch(*bodies), "eu-1")
    size = sum(map(len, bodies)) + len(bodies) - 1
    limits = limits_of(
        events=50, body_bytes=len(request.body), cluster_id="eu-1", linger_seconds=0
    )

    assert limits.bytes == size
    assert len(json.loads(request.body)["events"]) == len(bodies)
    assert request.headers["X-Event-Ids"].count(",") == len(bodies) - 1
