"""Parts of batches know their past, and wait aside in the order they are due."""

import math

from exporter.delivery import Answer
from exporter.delivery.pieces import LONELY, Aside, Piece
from exporter.spool import Batch, Entry
from tests.unit.spools import an_event


def a_piece(*positions, **past):
    """Return a piece with events at *positions*, of instances 0 and 1 in turn."""
    events = [an_event(n, instance=100 + n % 2) for n in positions]
    return Piece(Batch([Entry(e.position, e) for e in events]), **past)


def positions(piece):
    """Return the positions of the events of *piece*."""
    return [event.position for event in piece.batch.events]


def test_halves():
    """Both halves have the past of the whole; of an odd number the first is larger."""
    first, second = a_piece(1, 2, 3, attempts=4, refused=7.0).halves()

    assert (positions(first), positions(second)) == ([1, 2], [3])
    assert (first.attempts, second.refused) == (4, 7.0)
    assert first.waits is not second.waits


def test_a_lonely_piece_is_halved_in_time():
    """It takes three lonely failures, and more than one event."""
    for piece, parts in (
        (a_piece(1, 2, lonely=LONELY - 1), 1),
        (a_piece(1, 2, lonely=LONELY), 2),
        (a_piece(1, lonely=LONELY), 1),
    ):
        assert len(piece.halves_if_lonely()) == parts


def test_followers_are_told_apart():
    """What is left without some lanes, and what isn't, keep their order."""
    piece = a_piece(1, 2, 3, 4)

    left, behind = piece.without({("default", 101)})

    assert positions(left) == [2, 4]
    assert [entry.event.position for entry in behind] == [1, 3]
    assert piece.without({7}) == (piece, [])


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
    assert [positions(aside.pop()) for _ in range(4)] == [[1], [2], [3], [0]]


def test_in_a_hurry_all_are_due():
    """They keep the order in which they came."""
    aside = Aside()
    for number, due in enumerate((5.0, 3.0)):
        aside.add(a_piece(number), due)

    aside.hurry(1.0)

    assert aside.due == 1.0
    assert [positions(aside.pop()) for _ in range(2)] == [[0], [1]]


def test_suspects_are_convicted_by_a_success_soon_after():
    """What was refused just before a success began is a dead letter."""
    aside = Aside()
    soon, before, after = (
        a_piece(1, refused=10.0, again=19.5, suspect=True),
        a_piece(2, refused=10.0, again=15.0, suspect=True),
        a_piece(3, refused=30.0, again=30.0, suspect=True),
    )
    for piece in (after, before, soon):
        aside.add(piece, 50.0)

    assert aside.convict(20.0, within=1.0) == [soon]
    assert aside.suspects == [after, before]


def test_suspects_have_their_turn_after_a_success():
    """A success proves nothing about what was refused after it, nor about others."""
    aside = Aside()
    before, after, other = (
        a_piece(1, refused=10.0, suspect=True),
        a_piece(2, refused=30.0, suspect=True),
        a_piece(3, refused=10.0),
    )
    for piece in (after, other, before):
        aside.add(piece, 50.0)

    aside.summon(20.0, due=21.0)

    assert aside.due == 21.0
    assert aside.suspects == [before, after]
    assert aside.pop() is before
    assert aside.due == 50.0


def test_what_failed_only_as_all_did():
    """It needs no turn of its own; what failed alone or was refused does."""
    aside = Aside()
    innocent = a_piece(1)
    for piece in (a_piece(2, lonely=1), a_piece(3, refused=1.0), innocent):
        aside.add(piece, 50.0)

    assert aside.acquit() == [innocent]
    assert aside.acquit() == []
    assert len(aside) == 2
