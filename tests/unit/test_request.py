"""A POST has the events of a batch in its body and their identities in a header."""

import hashlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.delivery import empty, limits_of
from exporter.delivery.request import request_of
from exporter.events import CATALOG, FORMATS, Event
from exporter.spool import Batch, Entry

LARGEST = 2**63 - 1
KINDS = [each.name_of(kind) for each in CATALOG for kind in each.kinds]
NOON = 1_795_435_200_000


def a_batch(*bodies, **changes):
    """Return a batch with an event for each of *bodies*."""
    return Batch(
        [
            Entry(number, Event(1, number, NOON, 7, 100, body)._replace(**changes))
            for number, body in enumerate(bodies, start=1)
        ]
    )


@pytest.mark.parametrize("cluster_id, prefix", [("", ""), ("eu-1", "eu-1-")])
def test_body_and_identities_have_one_order(cluster_id, prefix):
    """Identities are in the order of the events, whose bytes are sent unchanged."""
    bodies = ['{"assignee":"größte/✅"}'.encode(), b'{"n":9007199254740993}']
    identities = f"{prefix}1-1-{NOON},{prefix}1-2-{NOON}"

    one, two = (request_of(a_batch(*each), cluster_id) for each in (bodies[:1], bodies))

    assert one.body == b'{"events":[%b]}' % bodies[0]
    assert two.body == b'{"events":[%b,%b]}' % tuple(bodies)
    assert one.headers["X-Event-Ids"] == f"{prefix}1-1-{NOON}"
    assert two.headers["X-Event-Ids"] == identities
    key = hashlib.sha256(identities.encode()).hexdigest()
    assert two.headers["Idempotency-Key"] == key


def test_a_physical_tenant():
    """Requests, ids and log lines name a tenant other than the default one."""
    usual, of_east = a_batch(b"{}"), a_batch(b"{}", tenant="east")
    east = request_of(of_east, "eu-1").headers

    assert (f"{usual}", f"{of_east}") == ("1-1..1-1", "east-1-1..east-1-1")
    assert "X-Physical-Tenant-Id" not in request_of(usual, "eu-1").headers
    assert east["X-Physical-Tenant-Id"] == "east"
    assert east["X-Event-Ids"] == f"eu-1-east-1-1-{NOON}"


@pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)
def test_formats(written):
    """A body has the backend's format; the headers don't depend on it."""
    batch, nothing = a_batch(b'{"n":1}', b'{"n":2}'), empty(written)

    request = request_of(batch, "eu-1", written)

    one, two = (written.write(event, "eu-1") for event in batch.events)
    assert request.body == written.before + one + written.between + two + written.after
    assert request.headers == request_of(batch, "eu-1").headers
    assert request.content_type == nothing.content_type == written.content_type
    assert nothing.body in (b"[]", b'{"events":[]}', b"" if written.alone else b"[]")


numbers = st.sampled_from([1, NOON, LARGEST])
events = st.builds(
    Event,
    partition=numbers,
    position=numbers,
    timestamp=numbers,
    key=numbers,
    instance=st.sampled_from([-1, LARGEST]),
    body=st.integers(0, 300).map(lambda size: b'{"a":"%b"}' % (b"x" * size)),
    kind=st.sampled_from(["", *KINDS]),
    broker=st.sampled_from(["", "8.6.0", "8.9.0-alpha2-SNAPSHOT"]),
)
LIMITS = {"events": 50, "linger_seconds": 0.5}
SHORT = [Event(1, n, NOON, 7, 100, b"{}") for n in range(60)]


@pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)
@settings(max_examples=30)
@given(
    waiting=st.lists(events, min_size=1, max_size=20),
    cluster_id=st.sampled_from(["", "eu-1", "x" * 64]),
    tenant=st.sampled_from(["default", "a", "x" * 200]),
    most=st.integers(1, 10_000),
)
@example(waiting=SHORT, cluster_id="x" * 64, tenant="x" * 20, most=100_000)
@pytest.mark.slow
def test_no_body_is_too_long(written, waiting, cluster_id, tenant, most):
    """In any format, only a single event can exceed the limits."""
    limits = limits_of(
        **LIMITS, body_bytes=most, cluster_id=cluster_id, body_format=written
    )
    entries = [Entry(n, e._replace(tenant=tenant)) for n, e in enumerate(waiting)]
    batch = Batch(entries[: min(limits.fitting(entries), limits.events)])

    request = request_of(batch, cluster_id, written)

    assert 1 <= len(batch.entries) <= (1 if written.alone else 50)
    assert len(request.body) <= most or len(batch.entries) == 1
    assert len(request.headers["X-Event-Ids"]) <= 4096


@settings(max_examples=30)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=50))
def test_limits_are_used_up(sizes):
    """In the usual format, a body may be exactly as long as the limit."""
    batch = a_batch(*(b'"%b"' % (b"x" * size) for size in sizes))
    size = len(request_of(batch, "eu-1").body)
    limits = limits_of(**LIMITS, body_bytes=size, cluster_id="eu-1")

    assert limits.fitting(batch.entries) == len(sizes)
    assert limits.linger_seconds == 0.5


@pytest.mark.parametrize("cluster_id, fitting", [("", 227), ("c" * 64, 49)])
def test_the_header_of_identities(cluster_id, fitting):
    """No more events are read than the header with the identities can hold."""
    limits = limits_of(
        events=1000, linger_seconds=0, body_bytes=1 << 20, cluster_id=cluster_id
    )

    prefix = len(f"{cluster_id}-") if cluster_id else 0
    assert (limits.events, limits.identities, limits.prefix) == (fitting, 4096, prefix)
