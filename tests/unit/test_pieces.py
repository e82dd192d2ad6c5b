"""Parts of batches keep their history, and parked parts are retried when due."""

import math
import tracemalloc

from exporter.delivery import Answer
from exporter.delivery.pieces import Parked, Piece
from exporter.spool import Batch, Entry
from tests.unit.spools import an_event


def a_piece(*positions, **past):
    """Return a piece with events at *positions*."""
    events = [an_event(n) for n in positions]
    return Piece(Batch([Entry(e.position, e) for e in events]), **past)


def positions(*pieces):
    """Return the positions of the events of each of *pieces*."""
    return [[event.position for event in piece.batch.events] for piece in pieces]


def test_parts():
    """All parts have the history of the whole piece, and keep its order."""
    piece = a_piece(1, 2, 3, 4, attempts=4, first_refused_at=7.0)

    assert positions(*piece.split(3)) == [[1, 2, 3], [4]]
    assert positions(*piece.without(lambda e: e.position % 2)) == [[2, 4], [1, 3]]
    for part in (*piece.split(3), *piece.without(lambda e: e.position % 2)):
        assert (part.attempts, part.first_refused_at) == (4, 7.0)


def test_first_due_first_served():
    """The earliest piece comes first, and of equal ones the first that was added."""
    parked = Parked()
    assert parked.due == math.inf
    for number, due in enumerate((5.0, 3.0, 3.0, 4.0)):
        parked.add(a_piece(number), due)

    assert parked.due == 3.0
    assert [parked.pop().sequence for _ in range(4)] == [1, 2, 3, 0]


def test_many_pieces_take_little_memory():
    """A parked piece takes less than 400 bytes, whatever its event and its answer."""
    parked, many = Parked(), 1000
    tracemalloc.start()
    for position in range(1000, 1000 + many):
        event = an_event(position, body=bytes(10_000))
        answer = Answer(500, excerpt="x" * (1000 + position % 2))
        piece = Piece(Batch([Entry(position, event)]), attempts=1, answer=answer)
        piece.fail(now := float(position), began=0.0, succeeded_at=1.0)
        parked.add(piece, now + piece.next_wait())
    del event, answer, piece
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(parked) == many
    assert used < 400 * many


def test_what_is_known_to_fail_rests():
    """A known failure rests for its share of time, unless everything is made due."""
    parked, known, other = Parked(), a_piece(1, known_to_fail=True), a_piece(2)
    parked.add(known, 5.0)
    parked.add(other, 9.0)

    parked.rest(2.0, 10.0)
    parked.rest(3.0, 1.0)
    assert parked.due == 9.0
    parked.make_due(4.0)
    assert parked.due == 4.0
    assert parked.pop() is other
    assert parked.due == 13.0
    parked.make_due(4.0, everything=True)
    assert parked.due == 4.0


def refused(parked, position, at):
    """Park the event at *position* as a suspect, and return its piece."""
    piece = a_piece(position)
    piece.refuse(at)
    parked.suspect(piece)
    parked.add(piece, at + 50.0)
    return piece


def test_suspects_have_their_turn_after_a_success():
    """A success that began after their refusal makes suspects due, the oldest first."""
    parked = Parked()
    first, second = refused(parked, 1, 15.0), refused(parked, 2, 19.5)
    after = refused(parked, 3, 30.0)

    parked.retry_suspects(20.0, now=21.0)

    assert [*parked.suspects] == [after]
    assert (len(parked), parked.due) == (3, 21.0)
    assert [parked.pop(), parked.pop()] == [first, second]
    assert parked.due == 80.0


def test_many_pieces_cost_a_step_each():
    """A success looks at each of thousands of suspects only once."""
    parked, looked_at = Parked(), 0
    for position in range(2000):
        refused(parked, position, float(position))

    class Counted(float):
        def __le__(self, other):
            nonlocal looked_at
            looked_at += 1
            return float(self) <= other

    for proof in range(100, 2100, 100):
        parked.retry_suspects(Counted(proof), now=0.0)

    assert not parked.suspects
    assert 2000 <= looked_at <= 2000 + 20
