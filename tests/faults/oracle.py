"""
Find broken promises in the history of a run.

Pure: no clock, no I/O. A doubtful case isn't a violation: an event may arrive twice if
its answer may have been lost, or if its process was killed.
"""

import enum
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from tests.faults.history import History


class Promise(enum.StrEnum):
    """The promises of the exporter, and one of the run."""

    KEPT = "nothing accepted is lost"
    ORDERED = "events of one lane arrive in engine order"
    ISSUED = "every event was issued by the engine"
    EQUAL = "bodies are the mapped records"
    ONCE = "no event is sent again after its 2xx was read"
    SHOWN = "dead letters are exactly the owed ones"
    PATIENT = "nothing is sent before Retry-After is over"
    ALIVE = "the exporter ends only when it is stopped"
    MEANT = "the run has enough faults"


UNDER_WAY_SECONDS = 0.1
"""How long a slot may take from its permission to its post on a busy machine."""
EARLY_SECONDS = 0.05
"""The tolerance for the end of a wait, because two clocks differ."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    promise: Promise
    detail: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of a run, or the least counts that a run needs."""

    delivered: int = 0
    """Different events that the backend took."""
    duplicates: int = 0
    """Events that the backend took again."""
    faults: int = 0
    """Posts that met a fault."""
    kills: int = 0
    cuts: int = 0
    """Connections cut between broker, exporter and backend."""
    repeats: int = 0
    """Wanted records that the broker sent again."""
    unmappable: int = 0
    bad: int = 0
    """Accepted events that the backend always refuses."""


def counts(history: History) -> Counts:
    """Return the counts of *history*."""
    recorded = history.recorded
    delivered = {each for post in recorded for each in post.identities}
    return Counts(
        delivered=len(delivered),
        duplicates=sum(len(post.identities) for post in recorded) - len(delivered),
        faults=sum(bool(post.fault) for post in history.posts),
        kills=sum(life.killed for life in history.lives),
        cuts=history.cuts,
        repeats=history.repeats,
        unmappable=len(history.unmappable),
        bad=len(history.owed & history.bad),
    )


def violations(history: History, needs: Counts, *, in_flight: int) -> list[Violation]:
    """
    Return every violation in *history*.

    A killed process may leave *in_flight* events that are delivered but not settled.
    """
    return [
        *(each for rule in RULES for each in rule(history)),
        *repeated(history, in_flight),
        *meaningless(history, needs),
    ]


def lost(history: History) -> Iterator[Violation]:
    """Yield accepted events that are neither delivered nor dead letters."""
    delivered = {each for post in history.recorded for each in post.identities}
    for identity in sorted(history.owed - delivered - history.bad):
        yield Violation(Promise.KEPT, f"{identity} was accepted and never delivered")


def disordered(history: History) -> Iterator[Violation]:
    """
    Yield events that overtook another event of their lane.

    An event is followed by its successor, or by an earlier event. After such a repeat,
    all events must come again in order, up to the furthest one.
    """
    issued = history.issued
    bad = {issued[identity][:2] for identity in history.bad}
    last: dict[int, int] = defaultdict(lambda: -1)
    furthest: dict[int, int] = {}
    for identity in _deliveries(history):
        lane, place, _ = issued[identity]
        before = last[lane]
        if any((lane, between) not in bad for between in range(before + 1, place)):
            detail = f"{identity}, number {place} of lane {lane}, came after {before}"
            yield Violation(Promise.ORDERED, detail)
        last[lane] = place
        furthest[lane] = max(furthest.get(lane, place), place)
    for lane, place in last.items():
        if place < furthest[lane]:
            detail = f"lane {lane} ends with {place}, although {furthest[lane]} arrived"
            yield Violation(Promise.ORDERED, detail)


def foreign(history: History) -> Iterator[Violation]:
    """Yield events that the engine never issued."""
    for post in history.recorded:
        for identity in post.identities:
            if identity not in history.issued:
                yield Violation(Promise.ISSUED, f"{identity} was never issued")


def changed(history: History) -> Iterator[Violation]:
    """Yield events that arrived with a wrong body."""
    for post in history.recorded:
        if len(post.identities) != len(post.digests):
            detail = f"{len(post.digests)} bodies for {len(post.identities)} identities"
            yield Violation(Promise.EQUAL, detail)
        for identity, digest in zip(post.identities, post.digests, strict=False):
            issued = history.issued.get(identity)
            if issued and issued.digest != digest:
                yield Violation(Promise.EQUAL, f"{identity} has a wrong body")


def repeated(history: History, in_flight: int) -> Iterator[Violation]:
    """
    Yield events that arrived again after the exporter had read their 2xx.

    A process never repeats them; a killed one may forget at most *in_flight*.
    """
    known: dict[str, int] = {}
    forgotten: dict[int, set[str]] = defaultdict(set)
    for post in history.recorded:
        for identity in post.identities:
            life = known.get(identity)
            if life == post.life:
                detail = f"{identity} arrived again from the same process"
                yield Violation(Promise.ONCE, detail)
            elif life is not None:
                forgotten[life].add(identity)
            if post.certain:
                known[identity] = post.life
    for life, identities in forgotten.items():
        if len(identities) > in_flight:
            detail = f"{len(identities)} events of life {life} arrived again"
            yield Violation(Promise.ONCE, f"{detail}; the limit is {in_flight}")


def dead(history: History) -> Iterator[Violation]:
    """Yield a difference between the owed dead letters and the shown ones."""
    owed = len(history.unmappable) + len(history.owed & history.bad)
    if history.dead != owed:
        yield Violation(Promise.SHOWN, f"{history.dead} dead letters, {owed} owed")


def hasty(history: History) -> Iterator[Violation]:
    """
    Yield posts that were sent before Retry-After was over.

    A post may arrive late although it was sent before the answer was read. That is
    impossible if it follows the answer on the same connection, or follows two later
    answers, unless the answer was cut: so its connection must have been used again.
    Even then, a slot may have had the permission to send for a moment.
    """
    heard = {post.read for post in history.posts}
    until: dict[int, tuple[float, float]] = {}
    for post in sorted(history.posts, key=lambda post: post.arrived):
        since, end = until.get(post.life, (0.0, 0.0))
        has_read = post.read == since or post.read_before >= since
        is_early = since + UNDER_WAY_SECONDS < post.arrived < end - EARLY_SECONDS
        if since in heard and has_read and is_early:
            detail = f"{end - post.arrived:.3f} s before Retry-After was over"
            yield Violation(Promise.PATIENT, detail)
        if post.retry_after and post.arrived + post.retry_after > end:
            until[post.life] = post.answered, post.arrived + post.retry_after


def ended(history: History) -> Iterator[Violation]:
    """Yield processes that ended unexpectedly."""
    for number, life in enumerate(history.lives, start=1):
        if life.status is not None:
            detail = f"life {number} ended unexpectedly with status {life.status}"
            yield Violation(Promise.ALIVE, detail)


def meaningless(history: History, needs: Counts) -> Iterator[Violation]:
    """Yield counts that are lower than *needs*."""
    happened = asdict(counts(history))
    for what, least in asdict(needs).items():
        if happened[what] < least:
            detail = f"{what}: {happened[what]} of at least {least}"
            yield Violation(Promise.MEANT, detail)


RULES: list[Callable[[History], Iterator[Violation]]] = [lost, disordered, foreign]
RULES += [changed, dead, hasty, ended]


def _deliveries(history: History) -> Iterator[str]:
    """Yield issued events that the backend took, in order of arrival."""
    for post in history.recorded:
        for identity in post.identities:
            if identity in history.issued:
                yield identity
