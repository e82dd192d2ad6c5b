"""Parts of batches know their past, and wait aside in the order they are due."""

import math
import tracemalloc

from exporter.delivery import Answer
from exporter.delivery.pieces import Aside, Piece
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
    """Both parts have the past of the whole."""
    first, second = a_piece(1, 2, 3, attempts=4, first_refused_at=7.0).split(2)

    assert (positions(first), positions(second)) == ([1, 2], [3])
    assert (first.attempts, second.first_refused_at) == (4, 7.0)


def test_some_events_are_left_out():
    """What stays and what doesn't keep their order."""
    piece = a_piece(1, 2, 3, 4)

    left, out = piece.without(lambda event: event.position % 2)

    assert positions(left) == [2, 4]
    assert positions(out) == [1, 3]


def test_a_verdict_quotes_the_last_answer():
    """A dead letter says what the backend said, and how often it was asked."""
    answer = Answer(400, detail="400 Bad Request", excerpt="no such field")

    verdict = a_piece(1, attempts=3, answer=answer).verdict

    assert verdict == ("refused: 400 Bad Request", 400, "no such field", 3)


def test_first_due_first_served():
    """The earliest comes first, and of those due at once the first that came."""
    aside = Aside()
    assert aside.due == math.inf
    for number, due in enumerate((5.0, 3.0, 3.0, 4.0)):
        aside.add(a_piece(number), due)

    assert aside.due == 3.0
    assert [aside.pop().sequence for _ in range(4)] == [1, 2, 3, 0]


def test_events_stay_in_the_spool():
    """What waits aside knows where its event is, and keeps neither it nor an answer."""
    aside, piece = Aside(), a_piece(7, answer=Answer(500, excerpt="x" * 1000))

    aside.add(piece, 5.0)

    assert (len(aside), piece.size, piece.sequence) == (1, 0, 7)
    assert piece.answer == Answer()


def test_many_pieces_take_little_memory():
    """Each costs less than 400 bytes, whatever its event and the answer to it hold."""
    aside, many = Aside(), 5000
    tracemalloc.start()
    for position in range(1000, 1000 + many):
        event = an_event(position, body=bytes(10_000))
        answer = Answer(500, excerpt="x" * (1000 + position % 2))
        piece = Piece(Batch([Entry(position, event)]), attempts=1, answer=answer)
        piece.fail(now := float(position), began=0.0, succeeded=1.0)
        aside.add(piece, now + piece.wait())
    del event, answer, piece
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(aside) == many
    assert used < 400 * many


def test_in_a_hurry_all_are_due():
    """They keep the order in which they came."""
    aside = Aside()
    for number, due in enumerate((5.0, 3.0)):
        aside.add(a_piece(number), due)

    aside.hurry(1.0)

    assert aside.due == 1.0
    assert [aside.pop().sequence for _ in range(2)] == [0, 1]


def test_what_is_known_to_fail_rests():
    """It waits for its share of the time, and in a hurry only if everything hurries."""
    aside, known, other = Aside(), a_piece(1, known=True), a_piece(2)
    aside.add(known, 5.0)
    aside.add(other, 9.0)

    aside.rest(2.0, 10.0)
    aside.rest(3.0, 1.0)
    assert aside.due == 9.0
    assert aside.pop() is other
    assert aside.due == 13.0
    aside.hurry(4.0)
    assert aside.due == 13.0
    aside.hurry(4.0, everything=True)
    assert aside.due == 4.0


def refused(aside, position, at):
    """Let the event at *position* be refused alone, and return its piece."""
    piece = a_piece(position)
    piece.refuse(at)
    aside.suspect(piece)
    aside.add(piece, at + 50.0)
    return piece


def test_suspects_have_their_turn_after_a_success():
    """It must have begun after their refusal; then the oldest one is first."""
    aside = Aside()
    first, second = refused(aside, 1, 15.0), refused(aside, 2, 19.5)
    after = refused(aside, 3, 30.0)

    aside.retry_suspects(20.0, now=21.0)

    assert aside.suspects == [after]
    assert (len(aside), aside.due) == (3, 21.0)
    assert [aside.pop(), aside.pop()] == [first, second]
    assert aside.due == 80.0


def test_many_pieces_cost_a_step_each():
    """Thousands of suspects that a success decides are looked at once each."""
    aside = Aside()
    for position in range(20_000):
        refused(aside, position, float(position))

    looked_at = 0

    class Counted(float):
        def __gt__(self, other):
            nonlocal looked_at
            looked_at += 1
            return float(self) > other

    for proof in range(100, 20_100, 100):
        aside.retry_suspects(Counted(proof), now=0.0)

    assert aside.suspects == []
    assert 20_000 <= looked_at <= 20_000 + 200
