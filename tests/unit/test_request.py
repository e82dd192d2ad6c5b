"""A POST has the events of a batch in its body and their identities in a header."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.base import codec
from exporter.delivery import Answer, empty, limits_of
from exporter.delivery import request as request_module
from exporter.delivery.outcome import Failure
from exporter.delivery.request import Keys, Request, request_of
from exporter.events import CATALOG, FORMATS, Event
from exporter.spool import Batch, Entry

LARGEST = 2**63 - 1
KINDS = [each.name_of(kind) for each in CATALOG for kind in each.kinds]
NOON = 1_795_435_200_000


def a_batch(*bodies):
    """Return a batch with an event for each of *bodies*."""
    return Batch(
        [
            Entry(number, Event(1, number, NOON, 7, 100, body))
            for number, body in enumerate(bodies, start=1)
        ]
    )


def test_body_and_identities_have_one_order():
    """The identities are in the order of the events, however many there are."""
    one, three = (
        request_of(a_batch(*bodies), "")
        for bodies in ([b'{"id":"7"}'], [b'{"n":1}', b'{"n":2}', b'{"n":3}'])
    )

    assert one.body == b'{"events":[{"id":"7"}]}'
    assert one.headers["X-Event-Ids"] == f"1-1-{NOON}"
    assert three.body == b'{"events":[{"n":1},{"n":2},{"n":3}]}'
    assert three.headers["X-Event-Ids"] == f"1-1-{NOON},1-2-{NOON},1-3-{NOON}"


def test_identities_of_a_cluster():
    """With a cluster id every identity begins with it."""
    request = request_of(a_batch(b"{}", b"{}"), "eu-1")

    assert request.headers["X-Event-Ids"] == f"eu-1-1-1-{NOON},eu-1-1-2-{NOON}"


def test_the_name_of_a_batch():
    """The name of a batch depends only on its identities."""
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


def attempt(keys, answer, *bodies):
    """Return the key of a request with *bodies*, which then gets *answer*."""
    request = request_of(a_batch(*bodies or [b"{}"]), "")
    keys.give(request)
    keys.learn(request, answer)
    return request.headers["Idempotency-Key"]


@pytest.mark.parametrize("status", [302, 401, 409, 422, 429, 503])
def test_a_key_after_an_answer(status):
    """After a failed answer the key changes, because the answer may be stored."""
    keys = Keys()
    first, second, third = (attempt(keys, Answer(status)) for _ in range(3))
    other = attempt(keys, Answer(status), b"{}", b"{}")

    assert len({first, second, third, other}) == 4


def test_a_key_without_an_answer():
    """Without an answer the key stays, because the request may have arrived."""
    keys, lost = Keys(), Answer(failure=Failure.TIMEOUT)
    attempt(keys, Answer(503), b"[]", b"[]")
    first, second = attempt(keys, lost), attempt(keys, lost)
    attempt(keys, Answer(503), b"[]", b"[]")
    third, fourth = attempt(keys, Answer(409)), attempt(keys, Answer(503))
    fifth = attempt(keys, Answer(200))

    assert first == second == third == fourth
    assert fifth != first


def test_keys_that_are_forgotten(monkeypatch):
    """The number of unanswered keys is limited."""
    monkeypatch.setattr(request_module, "MOST_UNANSWERED", 2)
    keys, lost = Keys(), Answer(failure=Failure.TIMEOUT)
    for size in range(1, 6):
        attempt(keys, lost, *[b"{}"] * size)

    assert len(keys._unanswered) == 2


def test_a_physical_tenant():
    """Requests, ids and log lines name a tenant other than the default one."""
    batch = a_batch(b"{}")
    ((_, event),) = batch.entries
    of_east = Batch([Entry(1, event._replace(tenant="east"))])
    east = request_of(of_east, "eu-1").headers

    assert (f"{batch}", f"{of_east}") == ("1-1..1-1", "east-1-1..east-1-1")
    assert "X-Physical-Tenant-Id" not in request_of(batch, "eu-1").headers
    assert east["X-Physical-Tenant-Id"] == "east"
    assert east["X-Event-Ids"] == f"eu-1-east-1-1-{NOON}"


def test_a_body_is_never_encoded_again():
    """The bytes of an event are sent as they are in the spool."""
    body = '{"assignee":"größte/✅","n":9007199254740993}'.encode()

    assert request_of(a_batch(body), "").body == b'{"events":[%b]}' % body


def test_a_request_without_events():
    """A request without events can test a backend."""
    assert Request(b'{"events":[]}', {}) == empty()


@pytest.mark.parametrize("cluster_id, prefix", [("", 0), ("eu-1", len("eu-1-"))])
def test_limits(cluster_id, prefix):
    """A batch is limited by its body and by 4 KiB of identities."""
    limits = limits_of(
        events=50, body_bytes=1000, cluster_id=cluster_id, linger_seconds=0.5
    )

    assert (limits.events, limits.identities, limits.prefix) == (50, 4096, prefix)
    assert limits.bytes == 1000 - len(b'{"events":[]}')
    assert limits.linger_seconds == 0.5


@given(
    st.lists(st.integers(1, 40).map(lambda size: b'"%b"' % (b"x" * size)), min_size=1)
)
def test_sizes_are_as_limited(bodies):
    """The size of a body is that of its events, the commas and the format's frame."""
    request = request_of(a_batch(*bodies), "eu-1")
    size = sum(map(len, bodies)) + len(bodies) - 1
    limits = limits_of(
        events=50, body_bytes=len(request.body), cluster_id="eu-1", linger_seconds=0
    )

    assert limits.bytes == size
    assert len(json.loads(request.body)["events"]) == len(bodies)
    assert request.headers["X-Event-Ids"].count(",") == len(bodies) - 1


@pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)
def test_formats(written):
    """A body has the backend's format; the name of the batch doesn't depend on it."""
    batch = a_batch(b'{"n":1}', b'{"n":2}')

    request = request_of(batch, "eu-1", written)

    one, two = (written.write(event, "eu-1") for event in batch.events)
    assert request.body == written.before + one + written.between + two + written.after
    assert request.content_type == written.content_type
    assert request.headers == request_of(batch, "eu-1").headers


@pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)
def test_events_of_their_own_requests(written):
    """In a format with one event per request, no setting changes that."""
    limits = limits_of(
        events=50,
        body_bytes=1 << 20,
        cluster_id="",
        linger_seconds=0,
        body_format=written,
    )

    assert (limits.events == 1) is written.alone


@pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)
def test_without_events_in_any_format(written):
    """A request without events has an empty list in any format."""
    request = empty(written)

    assert request.content_type == written.content_type
    assert request.body in (b"[]", b'{"events":[]}', b"" if written.alone else b"[]")


events = st.builds(
    Event,
    partition=st.integers(1, LARGEST),
    position=st.integers(0, LARGEST),
    timestamp=st.integers(0, LARGEST) | st.just(NOON),
    key=st.integers(-(2**63), LARGEST),
    instance=st.integers(-(2**63), LARGEST),
    body=st.dictionaries(st.text(), st.text(), max_size=4).map(codec.encode),
    kind=st.sampled_from(["", *KINDS]),
    broker=st.sampled_from(["", "8.6.0", "8.9.0-alpha2-SNAPSHOT"]),
    tenant=st.just("default"),
)


@pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)
@given(
    waiting=st.lists(events, min_size=1, max_size=30),
    cluster_id=st.sampled_from(["", "eu-1", "x" * 64]),
    tenant=st.sampled_from(["default", "a", "x" * 200]),
    most=st.integers(1, 10_000),
)
def test_no_body_is_too_long(written, waiting, cluster_id, tenant, most):
    """In any format, only a single event can exceed the limit."""
    limits = limits_of(
        events=50,
        body_bytes=most,
        cluster_id=cluster_id,
        linger_seconds=0,
        body_format=written,
    )
    entries = [
        Entry(number, event._replace(tenant=tenant))
        for number, event in enumerate(waiting)
    ]
    batch = Batch(entries[: limits.fitting(entries)])

    request = request_of(batch, cluster_id, written)

    assert batch.entries
    assert len(request.body) <= most or len(batch.entries) == 1
    assert len(request.headers["X-Event-Ids"]) <= 4096
