"""Parts of batches keep their history, and parked parts are retried when due."""

import math
import tracemalloc

from exporter.delivery import Answer
from exporter.delivery.pieces import Parked, Piece
from exporter.spool import Batch, Entry
from tests.unit.spools import an_event


def a_piece(*positions, **past):
    """Return a piece with events at *positions*, of instances 0 and 1 in turn."""
    events = [an_event(n, instance=100 + n % 2) for n in positions]
    return Piece(Batch([Entry(e.position, e) for e in events]), **past)


def positions(piece):
    """Return the positions of the events of *piece*."""
    return [event.position for event in piece.batch.events]


def test_parts():
    """Both parts have the history of the whole piece."""
    first, second = a_piece(1, 2, 3, attempts=4, first_refused_at=7.0).split(2)

    assert (positions(first), positions(second)) == ([1, 2], [3])
    assert (first.attempts, second.first_refused_at) == (4, 7.0)


def test_some_events_are_left_out():
    """Both the remaining and the removed events keep their order."""
    piece = a_piece(1, 2, 3, 4)

    left, out = piece.without(lambda event: event.position % 2)

    assert positions(left) == [2, 4]
    assert positions(out) == [1, 3]


def test_a_dead_letter_quotes_the_last_answer():
    """A dead letter has the backend's answer and the number of attempts."""
    answer = Answer(400, detail="400 Bad Request", excerpt="no such field")

    rejection = a_piece(1, attempts=3, answer=answer).rejection

    assert rejection == ("refused: 400 Bad Request", 400, "no such field", 3)


def test_first_due_first_served():
    """The earliest piece comes first, and of equal ones the first that was added."""
    parked = Parked()
    assert parked.due == math.inf
    for number, due in enumerate((5.0, 3.0, 3.0, 4.0)):
        parked.add(a_piece(number), due)

    assert parked.due == 3.0
    assert [parked.pop().sequence for _ in range(4)] == [1, 2, 3, 0]


def test_events_stay_in_the_spool():
    """A parked piece knows its event's sequence, and keeps neither event nor answer."""
    parked, piece = Parked(), a_piece(7, answer=Answer(500, excerpt="x" * 1000))

    parked.add(piece, 5.0)

    assert (len(parked), piece.size, piece.sequence) == (1, 0, 7)
    assert piece.answer == Answer()


def test_many_pieces_take_little_memory():
    """A parked piece takes less than 400 bytes, whatever its event and its answer."""
    parked, many = Parked(), 5000
    tracemalloc.start()
    for position in range(1000, 1000 + many):
        event = an_event(position, body=bytes(10_000))
        answer = Answer(500, excerpt="x" * (1000 + position % 2))
        piece = Piece(Batch([Entry(position, event)]), attempts=1, answer=answer)
        piece.fail(now := float(position), began=0.0, succeeded=1.0)
        parked.add(piece, now + piece.next_wait())
    del event, answer, piece
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(parked) == many
    assert used < 400 * many


def test_all_can_be_made_due():
    """Pieces that are made due keep the order in which they were added."""
    parked = Parked()
    for number, due in enumerate((5.0, 3.0)):
        parked.add(a_piece(number), due)

    parked.make_due(1.0)

    assert parked.due == 1.0
    assert [parked.pop().sequence for _ in range(2)] == [0, 1]


def test_what_is_known_to_fail_rests():
    """A known failure rests for its share of time, unless everything is made due."""
    parked, known, other = Parked(), a_piece(1, known_to_fail=True), a_piece(2)
    parked.add(known, 5.0)
    parked.add(other, 9.0)

    parked.rest(2.0, 10.0)
    parked.rest(3.0, 1.0)
    assert parked.due == 9.0
    assert parked.pop() is other
    assert parked.due == 13.0
    parked.make_due(4.0)
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
    parked = Parked()
    for position in range(20_000):
        refused(parked, position, float(position))

    looked_at = 0

    class Counted(float):
        def __gt__(self, other):
            nonlocal looked_at
            looked_at += 1
            return float(self) > other

    for proof in range(100, 20_100, 100):
        parked.retry_suspects(Counted(proof), now=0.0)

    assert not parked.suspects
    assert 20_000 <= looked_at <= 20_000 + 200
