"""The oracle of the fault tests sees each promise broken, and no other."""

import dataclasses

import pytest

from tests.faults.history import History, Issued, Life, Post
from tests.faults.oracle import Counts, Promise, counts, judge

IN_FLIGHT = 2
LANE = 7


def a_history(*posts, lives=1, **changes):
    """Return what is right about three events a, b, c of a lane, if *posts* are."""
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
    found = judge(history, needs, in_flight=IN_FLIGHT)
    return {violation.promise for violation in found}


@pytest.mark.parametrize("posts", ["abc", "ab c", "a b c", "a a b c", "ab ab c"])
def test_a_history_without_fault(posts):
    """Any batches will do, and a repeat whose answer may have been lost, too."""
    assert broken(a_history(*map(a_post, posts.split()))) == set()


@pytest.mark.parametrize("posts", ["ab abc", "abc a b c", "abc bc", "a ab bc"])
def test_a_repeat_may_go_back(posts):
    """What comes again may be batched anew, if it comes in order and to the end."""
    assert broken(a_history(*map(a_post, posts.split()))) == set()


@pytest.mark.parametrize("posts", ["ab", "a c", "", "ac"])
def test_a_loss(posts):
    """What was accepted has to be delivered, however far others got."""
    assert Promise.KEPT in broken(a_history(*map(a_post, posts.split())))


def test_what_was_not_accepted_is_not_owed():
    """The broker still has what it got no success for."""
    assert broken(a_history(a_post("ab"), owed={"a"})) == set()


def test_a_post_that_was_not_taken_is_no_delivery():
    """A request that the backend refused delivers nothing."""
    refused = a_post("c", recorded=False)

    assert broken(a_history(a_post("ab"), refused)) == {Promise.KEPT}


@pytest.mark.parametrize(
    "posts",
    ["b a c", "ba c", "a c b", "cba", "abc c b", "abc b", "abc ac", "ab ba c"],
)
def test_disorder(posts):
    """Whoever takes each event as it comes must end where the engine is."""
    assert broken(a_history(*map(a_post, posts.split()))) == {Promise.ORDERED}


def test_lanes_do_not_wait_for_each_other():
    """There is no order between lanes."""
    others = {name: Issued(ord(name), 0, ord(name)) for name in "abc"}

    assert broken(a_history(a_post("ca"), a_post("b"), issued=others)) == set()


def test_arrival_is_what_counts():
    """A backend that takes late what it was sent in order has only itself to blame."""
    late = a_post("a", fault="late")

    assert broken(a_history(late, a_post("a"), a_post("bc"))) == set()


def test_a_bad_event_lets_its_followers_pass():
    """What the backend never takes is owed as a dead letter instead."""
    history = a_history(a_post("a"), a_post("c"), bad={"b"}, dead=1)

    assert broken(history) == set()
    assert broken(dataclasses.replace(history, dead=0)) == {Promise.SHOWN}
    assert broken(dataclasses.replace(history, bad=set(), dead=0)) == {
        Promise.KEPT,
        Promise.ORDERED,
    }


@pytest.mark.parametrize("dead, expected", [(2, set()), (1, {Promise.SHOWN})])
def test_what_cannot_be_mapped(dead, expected):
    """Each record that can't become an event is a dead letter, and is one once."""
    history = a_history(a_post("abc"), unmappable={"x", "y"}, dead=dead)

    assert broken(history) == expected


def test_a_dead_letter_that_nobody_owes():
    """Nothing may be among the dead letters that was delivered or never came."""
    assert broken(a_history(a_post("abc"), dead=1)) == {Promise.SHOWN}


def test_an_event_that_nobody_issued():
    """An identity that the engine doesn't know is somebody's invention."""
    assert broken(a_history(a_post("abc"), a_post("z"))) == {Promise.ISSUED}


def test_another_body():
    """Bodies belong to the identities of the header, one by one."""
    swapped = a_post("abc", digests=tuple(map(ord, "bac")))
    short = a_post("abc", digests=(ord("a"),))

    assert broken(a_history(swapped)) == {Promise.EQUAL}
    assert broken(a_history(short)) == {Promise.EQUAL}


def test_a_repeat_without_a_reason():
    """Whoever has read a success doesn't send the same again."""
    again = a_history(a_post("abc", certain=True), a_post("abc"))

    assert broken(again) == {Promise.ONCE}


def test_a_killed_process_forgets_what_was_in_flight():
    """After a kill some may come again, but no more than were in flight."""
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
def test_haste(arrived, read, read_before, early):
    """Retry-After holds for whatever wasn't under way already."""
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


def test_another_process_knows_of_no_retry_after():
    """Who is new hasn't heard what the backend asked of another one."""
    asked = a_post("a", recorded=False, arrived=9.9, answered=10.0, retry_after=2.0)
    history = a_history(
        asked, a_post("abc", life=2, arrived=11, read_before=11), lives=2
    )

    assert broken(history) == set()


def test_an_end_that_nobody_asked_for():
    """A process that ends by itself is a violation, even if nothing is lost by it."""
    history = a_history(a_post("abc"))
    history.lives.append(Life(status=1))

    assert broken(history) == {Promise.ALIVE}


@pytest.mark.parametrize("what", [field.name for field in dataclasses.fields(Counts)])
def test_a_run_without_meaning(what):
    """Where too little went wrong nothing is proven."""
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
