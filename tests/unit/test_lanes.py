"""The lanes, compared with a simple model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.spool.lanes import Lanes

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 7)),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("newest"), st.integers(1, 4)),
        st.tuples(st.just("blocked"), st.integers(1, 4)),
        st.tuples(st.just("land"), st.integers(0, 3)),
        st.tuples(st.just("give back"), st.integers(0, 3)),
    ),
    max_size=60,
)


class PlainLanes:
    """A model of the lanes that searches all events each time."""

    def __init__(self):
        """Begin without events."""
        self.waiting = []
        self.in_flight = []

    def take(self, limit):
        """Take the oldest *limit* ready events of one tenant."""
        free = sorted(p for p in self.waiting if not self.is_held_up(p))
        return self._take(limit, [p for p in free if tenant(p) == tenant(free[0])])

    def take_newest(self, limit):
        """Take the first events of the newest *limit* ready lanes."""
        free = sorted(p for p in self.waiting if not self.is_held_up(p))
        firsts = [p for p in free if p == min(o for o in free if o[1] == p[1])]
        among = [p for p in firsts if tenant(p) == tenant(firsts[-1])]
        return self._take(limit, among[-limit:])

    def take_blocked(self, limit):
        """Take the oldest *limit* blocked events."""
        return self._take(limit, [p for p in self.waiting if self.is_held_up(p)])

    def is_held_up(self, place):
        """Whether an event of the same lane is taken."""
        return any(each[1] == place[1] for batch in self.in_flight for each in batch)

    @property
    def ready(self):
        """The number of events in ready lanes."""
        return sum(not self.is_held_up(place) for place in self.waiting)

    def _take(self, limit, among):
        batch = sorted(among)[:limit]
        self.waiting = [place for place in self.waiting if place not in batch]
        self.in_flight += [batch] if batch else []
        return batch


def tenant(place):
    """Return the physical tenant of a place's lane."""
    return place[1][0]


@given(STEPS)
@settings(max_examples=300)
@pytest.mark.slow
def test_same_as_the_plain_way(steps):
    """The lanes return the same places as the model after any steps."""
    lanes, plain = Lanes(), PlainLanes()
    for sequence, (step, number) in enumerate(steps):
        if step == "add":
            place = (sequence, ("ab"[number % 2], number // 2))
            lanes.add(*place)
            plain.waiting.append(place)
        elif step == "take":
            assert lanes.take(number) == plain.take(number)
        elif step == "newest":
            assert lanes.take_newest(number) == plain.take_newest(number)
        elif step == "blocked":
            assert lanes.take_blocked(number) == plain.take_blocked(number)
        elif plain.in_flight:
            batch = plain.in_flight.pop(number % len(plain.in_flight))
            back = batch[len(batch) // 2 :] if step == "give back" else batch
            rest = batch[: len(batch) - len(back)]
            plain.in_flight += [rest] if rest else []
            if step == "give back":
                lanes.give_back(back)
                plain.waiting += back
            else:
                lanes.release(back)
        assert lanes.ready == plain.ready


def test_a_long_lane_in_flight_costs_nothing():
    """`take` doesn't look at 100,000 blocked events."""
    lanes = Lanes()
    for sequence in range(100_000):
        lanes.add(sequence, ("default", 1))
    lanes.take(1)
    for sequence in range(100_000, 100_100):
        lanes.add(sequence, ("default", sequence))

    looked_at = len(lanes._oldest["default"])
    batch = lanes.take(50)

    assert [sequence for sequence, _ in batch] == list(range(100_000, 100_050))
    assert looked_at <= 102


@pytest.mark.parametrize("settle", [Lanes.release, Lanes.give_back])
def test_the_newest_leave_no_stale_places(monkeypatch, settle):
    """The heap of the oldest stays small while only the newest events are taken."""
    monkeypatch.setattr("exporter.spool.lanes.MOST_STALE", 10)
    lanes = Lanes()
    lanes.add(0, ("default", 0))  # waits all the time
    for sequence in range(1, 1000):
        if settle is Lanes.release or sequence == 1:
            lanes.add(sequence, ("default", sequence))
        settle(lanes, lanes.take_newest(1))

    assert len(lanes._oldest["default"]) <= 20
    assert lanes.take(1) == [(0, ("default", 0))]
