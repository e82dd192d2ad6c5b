"""The oracle of the fault tests detects each broken promise, and only that."""

import dataclasses

import pytest

from tests.faults.history import History, Issued, Life, Post
from tests.faults.oracle import Counts, Promise, counts, violations

IN_FLIGHT = 2
LANE = 7


def a_history(*posts, lives=1, **changes):
    """Return a history of three events a, b, c of a lane."""
    names = "abc"
    history = History(
        issued={
            name: Issued(LANE, place, ord(name)) for place, name in enumerate(names)
        },
        owed=set(names),
        posts=list(posts),
        lives=[Life(killed=number < lives) for number in range(1, lives + 1)],
    )
    return dataclasses.replace(history, **changes)


def a_post(names, **changes):
    """Return a post with the events *names* that the backend took."""
    post = Post(1, tuple(names), tuple(map(ord, names)), recorded=True)
    return dataclasses.replace(post, **changes)


def broken(history, needs=Counts()):  # noqa: B008 - it's frozen
    """Return the promises that *history* breaks."""
    found = violations(history, needs, in_flight=IN_FLIGHT)
    return {violation.promise for violation in found}


# Any batches will do. Repeats may come in other batches, if they come in order and to
# the end.
SOUND = "abc,ab c,a b c,a a b c,ab ab c,ab abc,abc a b c,abc bc,a ab bc"
DISORDER = "b a c,ba c,a c b,cba,abc c b,abc b,abc ac,ab ba c"


@pytest.mark.parametrize(
    "posts, expected",
    [
        *((posts, set()) for posts in SOUND.split(",")),
        *((posts, {Promise.ORDERED}) for posts in DISORDER.split(",")),
        ("ab", {Promise.KEPT}),
        ("", {Promise.KEPT}),
        ("a c", {Promise.KEPT, Promise.ORDERED}),
        ("ac", {Promise.KEPT, Promise.ORDERED}),
    ],
)
def test_posts(posts, expected):
    """Each event arrives, and events of a lane arrive in order."""
    assert broken(a_history(*map(a_post, posts.split()))) == expected


def test_refused_by_the_exporter():
    """An event that wasn't accepted needn't be delivered."""
    assert broken(a_history(a_post("ab"), owed={"a"})) == set()


def test_refused_by_the_backend():
    """A request that the backend refused delivers nothing."""
    refused = a_post("c", recorded=False)

    assert broken(a_history(a_post("ab"), refused)) == {Promise.KEPT}


def test_lanes_do_not_wait_for_each_other():
    """There is no order between lanes."""
    others = {name: Issued(ord(name), 0, ord(name)) for name in "abc"}

    assert broken(a_history(a_post("ca"), a_post("b"), issued=others)) == set()


def test_late_receipts():
    """The order of arrival counts, not the order in which the backend accepts."""
    late = a_post("a", fault="late")

    assert broken(a_history(late, a_post("a"), a_post("bc"))) == set()


def test_bad_events():
    """An event that the backend always refuses must become a dead letter."""
    history = a_history(a_post("a"), a_post("c"), bad={"b"}, dead=1)

    assert broken(history) == set()
    assert broken(dataclasses.replace(history, dead=0)) == {Promise.SHOWN}
    assert broken(dataclasses.replace(history, bad=set(), dead=0)) == {
        Promise.KEPT,
        Promise.ORDERED,
    }


@pytest.mark.parametrize("dead, expected", [(2, set()), (1, {Promise.SHOWN})])
def test_unmappable_records(dead, expected):
    """Each record that can't become an event is a dead letter, and is one once."""
    history = a_history(a_post("abc"), unmappable={"x", "y"}, dead=dead)

    assert broken(history) == expected


def test_dead_letters_too_many():
    """A delivered event isn't a dead letter."""
    assert broken(a_history(a_post("abc"), dead=1)) == {Promise.SHOWN}


def test_unknown_identities():
    """Every identity must be from the engine."""
    assert broken(a_history(a_post("abc"), a_post("z"))) == {Promise.ISSUED}


def test_bodies():
    """Bodies belong to the identities of the header, one by one."""
    swapped = a_post("abc", digests=tuple(map(ord, "bac")))
    short = a_post("abc", digests=(ord("a"),))

    assert broken(a_history(swapped)) == {Promise.EQUAL}
    assert broken(a_history(short)) == {Promise.EQUAL}


def test_needless_repeats():
    """After a success, an event isn't sent again."""
    again = a_history(a_post("abc", certain=True), a_post("abc"))

    assert broken(again) == {Promise.ONCE}


def test_repeats_after_a_kill():
    """After a kill, only the events that were in flight may come again."""
    few = a_history(a_post("abc", certain=True), a_post("bc", life=2), lives=2)
    many = a_history(a_post("abc", certain=True), a_post("abc", life=2), lives=2)

    assert broken(few) == set()
    assert broken(many) == {Promise.ONCE}


@pytest.mark.parametrize(
    "arrived, read, read_before, early",
    [
        (11, 0, 0, False),
        (11, 9.8, 9.7, False),
        (11, 10.1, 9.8, False),
        (10.08, 10, 9.8, False),
        (10.2, 10, 9.8, True),
        (11, 10.2, 10.1, True),
        (12, 10, 9.8, False),
    ],
)
def test_retry_after(arrived, read, read_before, early):
    """Retry-After is for all requests that weren't on their way already."""
    asked = a_post("a", recorded=False, arrived=9.9, answered=10.0, retry_after=2.0)
    post = a_post("abc", arrived=arrived, read=read, read_before=read_before)
    proof = a_post("c", arrived=13, read=10.0)

    broken_promises = broken(a_history(asked, post, proof))

    assert broken_promises == ({Promise.PATIENT} if early else set())


def test_an_answer_that_was_cut():
    """Without another post on its connection, an answer may never have arrived."""
    asked = a_post("a", recorded=False, arrived=9.9, answered=10.0, retry_after=2.0)
    post = a_post("abc", arrived=11, read=10.2, read_before=10.1)

    assert broken(a_history(asked, post)) == set()


def test_retry_after_and_a_restart():
    """A new process doesn't know the Retry-After of an earlier one."""
    asked = a_post("a", recorded=False, arrived=9.9, answered=10.0, retry_after=2.0)
    history = a_history(
        asked, a_post("abc", life=2, arrived=11, read_before=11), lives=2
    )

    assert broken(history) == set()


def test_unexpected_ends():
    """A process must not end by itself, even if nothing is lost."""
    history = a_history(a_post("abc"))
    history.lives.append(Life(status=1))

    assert broken(history) == {Promise.ALIVE}


@pytest.mark.parametrize("what", [field.name for field in dataclasses.fields(Counts)])
def test_enough_faults(what):
    """A run with too few faults proves nothing."""
    history = a_history(
        a_post("ab", fault="answer lost"),
        a_post("ab", life=2),
        lives=2,
        bad={"c"},
        unmappable={"x"},
        dead=2,
        cuts=1,
        repeats=1,
    )
    happened = getattr(counts(history), what)
    assert happened > 0

    assert broken(history, Counts(**{what: happened})) == set()
    assert broken(history, Counts(**{what: happened + 1})) == {Promise.MEANT}
