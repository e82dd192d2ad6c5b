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
def small_memory(monkeypatch):
    """Remember 10 to 20 identities instead of 100,000 to 1,000,000."""
    monkeypatch.setattr(identities, "REMEMBER_AT_LEAST", 10)
    monkeypatch.setattr(identities, "REMEMBER_AT_MOST", 20)
    monkeypatch.setattr(identities, "LOOK_EVERY", 1)


def positions(events):
    """Return the positions of *events*."""
    return [event.position for event in events]


def count(connection):
    """Return the number of remembered identities."""
    return connection.execute("SELECT count(*) FROM identity").fetchone()[0]


def test_all_of_the_identity_counts(connection):
    """A repeat has the same position, timestamp, key, partition and tenant."""
    memory = Identities(connection)
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


def test_a_repeat_within_one_request(connection):
    """The same record twice in one request is accepted once."""
    memory = Identities(connection)
    assert positions(memory.fresh([an_event(7), an_event(7)]).events) == [7]


def test_positions_start_again(connection):
    """After a purge, new events are accepted, and their repeats dropped."""
    memory = Identities(connection)
    memory.fresh([an_event(n) for n in range(1, 9)])
    later = [an_event(n, timestamp=NOON + HOUR + n) for n in range(1, 12)]

    assert memory.fresh(later) == (later, later[:1])
    assert memory.fresh(later) == ([], [])


def test_positions_start_again_with_the_clock_behind(connection):
    """After a purge, the clock may be ten minutes behind."""
    memory = Identities(connection)
    memory.fresh([an_event(n) for n in range(1, 9)])
    earlier = [an_event(n, timestamp=NOON - HOUR // 6 + n) for n in range(1, 9)]

    assert memory.fresh(earlier).events == earlier


def test_each_epoch_is_counted_once(connection):
    """A purge is reported once, even across restarts."""
    first, epochs = Identities(connection), []
    for epoch in range(3):
        for position in (1, 2, 3):
            event = an_event(position, timestamp=NOON + HOUR * epoch)
            fresh = first.fresh([event])
            assert fresh.events == [event]
            epochs += fresh.epochs
    assert [event.timestamp for event in epochs] == [NOON + HOUR, NOON + 2 * HOUR]

    restarted = Identities(connection)
    restarted.fresh([an_event(4, timestamp=NOON + HOUR * 2)])
    assert restarted.fresh([an_event(4, timestamp=NOON + HOUR * 3)]).epochs
    assert not restarted.fresh([an_event(5, timestamp=NOON + HOUR * 3)]).epochs


@pytest.mark.usefixtures("small_memory")
def test_what_was_forgotten_is_accepted_again(connection):
    """An old timestamp alone doesn't make an event a repeat."""
    hourly = [an_event(n, timestamp=NOON + n * HOUR) for n in range(1, 101)]
    memory = Identities(connection)
    for event in hourly:
        assert memory.fresh([event]).events == [event]

    assert count(connection) == 10
    assert memory.fresh(hourly[-10:]) == ([], [])
    for first in (0, 5):
        again = hourly[first : first + 5]
        assert Identities(connection).fresh(again) == (again, [])


def test_physical_tenants_are_remembered_apart(connection):
    """Positions of one tenant don't start an epoch for another."""
    memory = Identities(connection)
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


@pytest.mark.usefixtures("small_memory")
def test_two_clusters_with_one_prefix(connection):
    """Each event is accepted once, even if positions start again all the time."""
    memory = Identities(connection)
    east = [an_event(5000 + n, timestamp=NOON + 9 * HOUR + n) for n in range(100)]
    west = [an_event(n, timestamp=NOON + n) for n in range(100)]

    accepted = [memory.fresh([each]).events for each in [*east, *west]]
    mixed = [
        memory.fresh([each._replace(timestamp=each.timestamp + 10 * HOUR)]).events
        for pair in zip(east, west, strict=True)
        for each in pair
    ]

    assert accepted == [[each] for each in [*east, *west]]
    assert all(mixed)


@pytest.mark.parametrize(
    "position, time", [(2**63 - 1, 2**63 - 1), (0, 0), (2**62, NOON)]
)
@pytest.mark.usefixtures("small_memory")
def test_an_absurd_identity_poisons_nothing(connection, position, time):
    """Absurd positions and timestamps don't affect later events."""
    rogue = [an_event(position, timestamp=time, key=n) for n in range(50)]
    Identities(connection).fresh(rogue)
    normal = [an_event(n, timestamp=NOON + n * 1000) for n in range(1, 1001)]

    for event in normal:
        memory = Identities(connection)  # a restart each time
        assert memory.fresh([event]).events == [event]

    assert memory.fresh(normal[-10:]).events == []
    assert count(connection) == 20
    (kept,) = connection.execute(
        "SELECT count(*) FROM identity WHERE position < 2000 AND timestamp > 9"
    ).fetchone()
    assert kept == 20


@pytest.mark.usefixtures("small_memory")
def test_a_clock_that_stands_still(connection):
    """With equal timestamps, the lowest positions are forgotten first."""
    memory = Identities(connection)
    for position in range(1, 101):
        memory.fresh([an_event(position, timestamp=NOON)])

    assert count(connection) == 20
    assert positions(
        memory.fresh([an_event(n, timestamp=NOON) for n in (80, 81)])[0]
    ) == [80]


@pytest.mark.usefixtures("small_memory")
def test_a_clock_that_was_set_back(connection):
    """Identities far in the future are forgotten before new ones."""
    memory = Identities(connection)
    for position in range(1, 101):
        memory.fresh([an_event(position, timestamp=NOON + 48 * HOUR)])
    now = [an_event(n) for n in range(101, 121)]
    for event in now:
        memory.fresh([event])

    assert memory.fresh(now).events == []
    assert count(connection) == 20


@pytest.mark.usefixtures("small_memory")
def test_the_last_hour_is_remembered_up_to_a_limit(connection):
    """Identities of the last hour are kept, up to a limit."""
    memory = Identities(connection)
    for position in range(1, 16):
        memory.fresh([an_event(position)])
    assert count(connection) == 15

    for position in range(16, 101):
        memory.fresh([an_event(position)])
    assert count(connection) == 20


@pytest.mark.usefixtures("small_memory")
def test_restarts_do_not_keep_it_from_forgetting(connection, monkeypatch):
    """The limit is kept across restarts."""
    monkeypatch.setattr(identities, "LOOK_EVERY", 10)
    for position in range(1, 201):
        Identities(connection).fresh([an_event(position)])

    assert count(connection) <= 20 + 10


@pytest.mark.usefixtures("small_memory")
def test_large_requests_are_forgotten_as_fast_as_they_come(connection):
    """The limit is kept with large requests."""
    memory = Identities(connection)
    for start in range(0, 5000, 500):
        memory.fresh([an_event(n) for n in range(start, start + 500)])

    assert count(connection) <= 20 + 500


@pytest.mark.usefixtures("small_memory")
def test_partitions_are_remembered_apart(connection):
    """A busy partition doesn't shorten the memory of a quiet one."""
    memory = Identities(connection)
    memory.fresh([an_event(1, partition=2)])
    for position in range(1, 101):
        memory.fresh([an_event(position, timestamp=NOON + position * HOUR)])

    assert memory.fresh([an_event(1, partition=2)]).events == []
    assert memory.fresh([an_event(1, partition=2, key=0)]).events != []


def test_reloaded_after_a_rollback(connection):
    """Identities of a failed transaction are not remembered."""
    memory = Identities(connection)
    connection.execute("BEGIN")
    memory.fresh([an_event(1)])
    connection.execute("ROLLBACK")
    memory.reload()

    assert positions(memory.fresh([an_event(1)]).events) == [1]
