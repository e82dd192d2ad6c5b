"""Physical tenants, and clusters, whose partitions, positions and keys are the same."""

from collections import Counter
from itertools import pairwise

import pytest

from devkit.broker import Broker
from devkit.commands import Commands
from devkit.stories import RECORDINGS, recording
from devkit.waiting import eventually
from exporter.broker.environment import broker_environment
from exporter.spool import identities
from tests.records import NOON, a_record, instance, tasks
from tests.records import bulk as bulk_of_default
from tests.service.running import eventually_metrics

HOUR = 60 * 60 * 1000
TASK = "fx-ext"
LIFE = ["CREATED", "ASSIGNED", "COMPLETED"]
MODEL = recording(RECORDINGS / "8.9.0").deployments[TASK]
TENANTS = ("default", "east")


def bulk(tenant, *records):
    """Return a bulk request in the form of the exporter of *tenant*."""
    prefix = (
        b"zeebe-record" if tenant == "default" else f"zeebe-record-{tenant}".encode()
    )
    return bulk_of_default(*records).replace(b"zeebe-record", prefix)


def tenant_of(request):
    """Return the physical tenant of a request to the backend."""
    return request.headers.get("X-Physical-Tenant-Id", "default")


def arrived(backend):
    """Return the events that arrived by tenant: partition and position, in order."""
    found = {}
    for request in backend.accepted:
        tenant = tenant_of(request)
        for identity in request.ids:
            *before, partition, position, _ = identity.split("-")
            assert before == ([] if tenant == "default" else [tenant])
            found.setdefault(tenant, []).append((int(partition), int(position)))
    return found


@pytest.fixture
def small_memory(monkeypatch):
    """Remember 50 to 100 identities instead of 100,000 to 1,000,000."""
    monkeypatch.setattr(identities, "REMEMBER_AT_LEAST", 50)
    monkeypatch.setattr(identities, "REMEMBER_AT_MOST", 100)
    monkeypatch.setattr(identities, "LOOK_EVERY", 5)
    monkeypatch.setattr(identities, "SPAN_EVENTS", 10)


async def test_two_tenants_send_to_one_service(start, backend):
    """Each event arrives once, under its tenant, and no request mixes two tenants."""
    backend.answer = 503  # so that events of both wait together
    exporter = await start(batch_size=4)
    for position in range(1, 21):
        for tenant in TENANTS:
            record = a_record(position, value=instance(position % 3))
            assert (await exporter.bulk(bulk(tenant, record))).status == 200
    backend.answer = 200
    await eventually(lambda: len(backend.arrivals) == 40)

    found = arrived(backend)
    assert found.keys() == {*TENANTS}
    for places in found.values():
        assert sorted(places) == [(1, position) for position in range(1, 21)]
        for number in range(3):
            own = [position for _, position in places if position % 3 == number]
            assert all(x < y for x, y in pairwise(own))
    await eventually_metrics(exporter, ingest_epochs_total=0, spool_events=0)


async def test_an_event_keeps_its_tenant(start, token, backend):
    """A restart, a refusal and a retry of a dead letter don't change the tenant."""
    backend.answer = 503
    exporter = await start(shutdown_timeout_ms=1)
    records = [a_record(n, value=instance(n)) for n in (7, 8)]
    await exporter.bulk(bulk("east", *records))
    await exporter.stop()
    backend.answer = lambda request: 422 if "-7-" in f"{request.ids}" else 200
    exporter = await start()
    await eventually_metrics(exporter, spool_dead_letters=1, spool_events=0)
    await exporter.stop()

    backend.answer = 200
    exporter = await start()
    shown = await exporter.demand("GET", "/dead-letters", token())
    await exporter.demand("POST", "/dead-letters/retry", token(), data=b'{"ids":null}')
    await eventually(lambda: len(backend.arrivals) == 2)

    (letter,) = shown.json["dead_letters"]
    assert letter["event"] == f"east-1-7-{NOON + 7}"
    assert letter["physical_tenant"] == "east"
    assert arrived(backend) == {"east": [(1, 8), (1, 7)]}


@pytest.mark.parametrize("second", TENANTS)
@pytest.mark.usefixtures("small_memory")
async def test_a_second_stream_with_older_records(start, backend, second):
    """
    Hours and many records after the first, older ones of another log are all accepted.

    The other log belongs to another tenant, or to a cluster with the same prefix.
    """
    exporter = await start()
    first = [a_record(n, timestamp=NOON + (n // 10) * HOUR) for n in range(1, 81)]
    for at in range(0, len(first), 10):
        await exporter.bulk(bulk("default", *first[at : at + 10]))
    late = [a_record(n, timestamp=NOON - HOUR + n) for n in range(1, 11)]
    for _ in range(2):
        assert (await exporter.bulk(bulk(second, *late))).status == 200
    await eventually_metrics(exporter, spool_events=0, ingest_epochs_total=0)

    ids = Counter(identity for each in backend.accepted for identity in each.ids)
    assert len(ids) == 90
    assert set(ids.values()) == {1}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.usefixtures("small_memory")
async def test_a_rogue_identity(start, backend, restarts):
    """Records with an absurd position and time don't make later ones disappear."""
    exporter = await start()
    largest = 2**63 - 1
    absurd = {"timestamp": largest, "value": {"userTaskKey": 1}}
    rogue = [a_record(largest, key=n, **absurd) for n in range(100)]
    await exporter.bulk(bulk("default", *rogue))
    for begin in range(1, 201, 50):
        if restarts:
            await exporter.stop()
            exporter = await start()
        body = tasks(*range(begin, begin + 25))
        await exporter.bulk(body)
        await exporter.bulk(body)  # a restarted broker repeats its requests
    await eventually_metrics(exporter, spool_events=0)

    expected = [n for begin in range(1, 201, 50) for n in range(begin, begin + 25)]
    assert sorted(backend.positions) == [*expected, *[largest] * 100]


@pytest.fixture
async def engine(start):
    """Return the recorded engine with two tenants, and an exporter for both."""
    exporter = await start()
    environ = broker_environment(
        "8.10.0", f"http://{exporter.ingest}", physical_tenants=TENANTS, bulk_size=100
    )
    async with Broker("8.10.0", environ) as broker:
        broker.exporter = exporter
        yield broker


def play(broker, tenant, count):
    """Let *count* user tasks of *tenant* be created, assigned and completed."""
    commands = Commands(broker.engine, tenant)
    commands.deploy(MODEL)
    for _ in range(count):
        keys = commands.create(TASK, {}).keys
        (task,) = (key for role, key in keys.items() if role.kind == "USER_TASK")
        commands.command("claim", task, {"assignee": "ann"})
        commands.command("complete", task, {})


def written(broker, tenant):
    """Return the expected ids of the events of *tenant*."""
    name = "" if tenant == "default" else f"{tenant}-"
    return {
        f"{name}1-{each['position']}-{each['timestamp']}"
        for each in broker.partition(1, tenant).log.records
        if (each["recordType"], each["valueType"]) == ("EVENT", "USER_TASK")
        and each["intent"] in LIFE
    }


async def all_arrived(broker, backend):
    """Wait for each event of all tenants, and check that it arrived once."""
    expected = {t: written(broker, t) for t in TENANTS}
    count = sum(map(len, expected.values()))
    await eventually(lambda: len(backend.arrivals) >= count, within=40)

    found = {tenant: Counter() for tenant in TENANTS}
    for request in backend.accepted:
        found[tenant_of(request)].update(request.ids)
    assert {t: set(ids) for t, ids in found.items()} == expected
    assert {n for ids in found.values() for n in ids.values()} == {1}
    await eventually_metrics(broker.exporter, spool_events=0, ingest_epochs_total=0)


@pytest.mark.slow
@pytest.mark.usefixtures("small_memory")
async def test_a_tenant_that_was_paused_for_hours(engine, backend):
    """If one tenant exports nothing for hours, its events all arrive afterwards."""
    for tenant in TENANTS:
        play(engine, tenant, 2)
    positions = [
        {each["position"] for each in engine.partition(1, tenant).log.records}
        for tenant in TENANTS
    ]
    assert positions[0] == positions[1]
    await all_arrived(engine, backend)
    paused = engine.exporting["east", 1]
    paused.paused = True
    for hours in range(5):
        play(engine, "east", 2)
        play(engine, "default", 10)
        engine.clock_offset_ms = (hours + 1) * HOUR
    count = 6 + len(written(engine, "default"))
    await eventually(lambda: len(backend.arrivals) >= count, within=40)

    paused.paused = False
    paused.wake()

    await all_arrived(engine, backend)
