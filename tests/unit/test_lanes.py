"""Whose turn it is, compared with the plainest way to say it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.spool.lanes import Lanes, Place

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 5)),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("land"), st.integers(0, 3)),
        st.tuples(st.just("give back"), st.integers(0, 3)),
    ),
    max_size=60,
)


class PlainLanes:
    """The same promise, kept by looking at everything every time."""

    def __init__(self):
        """Know of nothing."""
        self.waiting = []
        self.occupied = set()

    def take(self, limit):
        """Return the oldest *limit* of free lanes, and occupy these."""
        free = [p for p in sorted(self.waiting) if p.lane not in self.occupied]
        self.waiting = [p for p in self.waiting if p not in free[:limit]]
        self.occupied |= {place.lane for place in free[:limit]}
        return free[:limit]

    @property
    def ready(self):
        """Count what is in free lanes."""
        return sum(place.lane not in self.occupied for place in self.waiting)


@given(STEPS)
@settings(max_examples=300)
def test_same_as_the_plain_way(steps):
    """Whatever happens, `take` returns the oldest whose lane is free, in order."""
    lanes, plain, in_flight = Lanes(), PlainLanes(), []
    for sequence, (step, number) in enumerate(steps):
        if step == "add":
            lanes.add(Place(sequence, number))
            plain.waiting.append(Place(sequence, number))
        elif step == "take":
            batch = lanes.take(number)
            assert batch == plain.take(number)
            in_flight += [batch] if batch else []
        elif in_flight:
            batch = in_flight.pop(number % len(in_flight))
            if step == "give back":
                back = batch[len(batch) // 2 :]
                lanes.give_back(back)
                plain.waiting += back
                batch = batch[: len(batch) // 2]
                plain.occupied -= {p.lane for p in back} - {p.lane for p in batch}
                in_flight += [batch] if batch else []
            else:
                lanes.land(batch)
                plain.occupied -= {place.lane for place in batch}
        assert lanes.ready == plain.ready


def test_a_long_lane_in_flight_costs_nothing():
    """100,000 events behind one in flight are not looked at to find another lane's."""
    lanes = Lanes()
    for sequence in range(100_000):
        lanes.add(Place(sequence, lane=1))
    lanes.take(1)
    for sequence in range(100_000, 100_100):
        lanes.add(Place(sequence, lane=sequence))

    looked_at = len(lanes._oldest)
    batch = lanes.take(50)

    assert [place.sequence for place in batch] == list(range(100_000, 100_050))
    assert looked_at <= 102
