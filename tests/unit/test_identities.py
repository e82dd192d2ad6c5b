"""Which events are repeats: when in doubt, an event is accepted twice."""

from contextlib import closing

import pytest

from exporter.spool import identities
from exporter.spool.database import create
from exporter.spool.identities import Identities
from tests.unit.spools import NOON, an_event

HOUR = 60 * 60 * 1000


@pytest.fixture
def connection(tmp_path):
    """Return a connection to a new file."""
    with closing(create(tmp_path / "spool.sqlite")) as connection:
        yield connection


@pytest.fixture
def memory(connection):
    """Return the identities of an empty file."""
    return Identities(connection)


@pytest.fixture
def _small_memory(monkeypatch):
    """Remember 10 to 20 identities instead of 100,000 to 1,000,000."""
    monkeypatch.setattr(identities, "REMEMBER_AT_LEAST", 10)
    monkeypatch.setattr(identities, "REMEMBER_AT_MOST", 20)
    monkeypatch.setattr(identities, "LOOK_EVERY", 1)
    monkeypatch.setattr(identities, "SPAN_EVENTS", 5)


small_memory = pytest.mark.usefixtures("_small_memory")


def count(connection):
    """Return the number of remembered identities."""
    rows = connection.execute("SELECT 1 + length(others) / 24 FROM identity")
    return sum(number for (number,) in rows)


def test_all_of_the_identity_counts(memory):
    """A repeat has the same position, timestamp, key, partition and tenant."""
    memory.fresh([an_event(7)])
    others = [
        an_event(7),
        an_event(7, timestamp=NOON + 1),
        an_event(7, key=1),
        an_event(7, partition=2),
        an_event(7, tenant="east"),
    ]

    assert memory.fresh(others).events == others[1:]
    assert memory.fresh(others).events == []


def test_a_repeat_within_one_request(memory):
    """The same record twice in one request is accepted once."""
    assert memory.fresh([an_event(7), an_event(7)]).events == [an_event(7)]


@pytest.mark.parametrize("hours, epochs", [(1, 1), (-1 / 6, 0)])
def test_positions_start_again(memory, hours, epochs):
    """After a purge, new events are accepted, whatever the clock shows."""
    memory.fresh([an_event(n) for n in range(1, 9)])
    shift = NOON + int(hours * HOUR)
    others = [an_event(n, timestamp=shift + n) for n in range(1, 12)]

    assert memory.fresh(others) == (others, others[:epochs])
    assert memory.fresh(others) == ([], [])


def test_each_epoch_is_counted_once(connection):
    """A purge is reported once, even across restarts."""
    first, epochs = Identities(connection), []
    for epoch in range(3):
        for position in (1, 2, 3):
            event = an_event(position, timestamp=NOON + HOUR * epoch)
            epochs += first.fresh([event]).epochs
    assert [event.timestamp for event in epochs] == [NOON + HOUR, NOON + 2 * HOUR]

    restarted = Identities(connection)
    restarted.fresh([an_event(4, timestamp=NOON + HOUR * 2)])
    assert restarted.fresh([an_event(4, timestamp=NOON + HOUR * 3)]).epochs
    assert not restarted.fresh([an_event(5, timestamp=NOON + HOUR * 3)]).epochs


@small_memory
def test_a_forgotten_event_is_accepted_again(connection, memory):
    """An old timestamp alone doesn't make an event a repeat."""
    hourly = [an_event(n, timestamp=NOON + n * HOUR) for n in range(1, 101)]
    for event in hourly:
        assert memory.fresh([event]).events == [event]

    assert count(connection) == 10
    assert memory.fresh(hourly[-10:]) == ([], [])
    for first in (0, 5):
        again = hourly[first : first + 5]
        assert Identities(connection).fresh(again) == (again, [])


def test_tenants_are_remembered_apart(memory):
    """Positions of one tenant don't start an epoch for another."""
    for hours, tenant in enumerate(("default", "east", "default", "east")):
        later = NOON + hours * HOUR
        events = [
            an_event(n, timestamp=later + n, tenant=tenant)
            for n in range(10 * hours, 10 * hours + 10)
        ]
        late = [an_event(n, tenant=f"late-{tenant}") for n in range(hours, 4)]
        assert memory.fresh(events) == (events, [])
        assert memory.fresh(late).epochs == []
        assert memory.fresh(events + late) == ([], [])


@small_memory
def test_two_clusters_with_one_prefix(memory):
    """Each event is accepted once, even if positions start again all the time."""
    east = [an_event(5000 + n, timestamp=NOON + 9 * HOUR + n) for n in range(100)]
    west = [an_event(n, timestamp=NOON + n) for n in range(100)]
    mixed = [
        each._replace(timestamp=each.timestamp + 10 * HOUR)
        for pair in zip(east, west, strict=True)
        for each in pair
    ]

    for event in [*east, *west, *mixed]:
        assert memory.fresh([event]).events == [event]


@pytest.mark.parametrize(
    "position, time", [(2**63 - 1, 2**63 - 1), (0, 0), (2**62, NOON)]
)
@small_memory
def test_an_absurd_identity_poisons_nothing(connection, position, time):
    """Absurd positions and timestamps don't affect later events."""
    rogue = [an_event(position, timestamp=time, key=n) for n in range(50)]
    Identities(connection).fresh(rogue)
    normal = [an_event(n, timestamp=NOON + n * 1000) for n in range(1, 1001)]

    for event in normal:
        memory = Identities(connection)  # a restart each time
        assert memory.fresh([event]).events == [event]

    assert memory.fresh(normal[-20:]).events == []
    assert count(connection) == 20


@pytest.mark.parametrize(
    "clock, known",
    [
        (lambda n: NOON + n, range(81, 101)),
        (lambda _: NOON, range(81, 101)),
        (lambda n: NOON + 48 * HOUR * (n <= 80), range(81, 101)),
    ],
    ids=["running", "standing still", "set back"],
)
@small_memory
def test_the_last_ones_are_remembered(connection, memory, clock, known):
    """With any clock, the last events of an hour are remembered, up to a limit."""
    events = [an_event(n, timestamp=clock(n)) for n in range(1, 101)]
    for event in events[:15]:
        memory.fresh([event])
    assert count(connection) == 15

    for event in events[15:]:
        memory.fresh([event])

    assert count(connection) == 20
    assert memory.fresh([events[n - 1] for n in known]).events == []


@pytest.mark.parametrize("size", [1, 500])
@small_memory
def test_restarts_and_large_requests(connection, monkeypatch, size):
    """The limit is kept across restarts, and with requests of any size."""
    monkeypatch.setattr(identities, "LOOK_EVERY", 10)
    for start in range(0, 10 * size + 200, size):
        events = [an_event(n) for n in range(start, start + size)]
        Identities(connection).fresh(events)

    assert count(connection) <= 20 + max(10, size)


@pytest.mark.parametrize("step", [0, 1, 700, 5000])
def test_repeats_of_large_requests(connection, step):
    """Repeats are recognized whatever request they come in, in any order."""
    events = [an_event(n, timestamp=NOON + n * step) for n in range(1, 2501)]
    Identities(connection).fresh(events[:1500])
    Identities(connection).fresh(events[2000:])
    missing = {*events[1500:2000]}

    for again in (events[:300], events[1400:1600], events[::-1], events[7:8]):
        new = Identities(connection).fresh(again).events
        assert new == [each for each in again if each in missing]
        missing.difference_update(new)
        assert Identities(connection).fresh(again).events == []
    assert count(connection) == 2500


def test_kept_rows_are_not_read(connection, memory):
    """Each thousandth event looks for old rows, but not beyond the first kept row."""
    events = [an_event(n, timestamp=NOON + n * 2000) for n in range(1000)]
    memory.fresh(events[:-1])
    steps = []
    connection.set_progress_handler(lambda: steps.append(1), 1)

    memory.fresh(events[-1:])

    assert len(steps) < 1000  # reading all rows takes many thousands


@small_memory
def test_partitions_are_remembered_apart(memory):
    """A busy partition doesn't shorten the memory of a quiet one."""
    memory.fresh([an_event(1, partition=2)])
    for position in range(1, 101):
        memory.fresh([an_event(position, timestamp=NOON + position * HOUR)])

    assert memory.fresh([an_event(1, partition=2)]).events == []


def test_reloaded_after_a_rollback(connection, memory):
    """Identities of a failed transaction are not remembered."""
    connection.execute("BEGIN")
    memory.fresh([an_event(1)])
    connection.execute("ROLLBACK")
    memory.reload()

    assert memory.fresh([an_event(1)]).events == [an_event(1)]
