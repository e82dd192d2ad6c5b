"""
Was every promise kept? Judges a history, and nothing but the history.

Pure: no clock, no I/O. What it can't know for certain it holds against nobody: an event
may come twice when its answer may have been lost, or its process was killed.
"""

import enum
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from tests.faults.history import History


class Promise(enum.StrEnum):
    """What can be broken."""

    KEPT = "nothing accepted is lost"
    ORDERED = "events of one lane arrive in engine order"
    ISSUED = "every event was issued by the engine"
    EQUAL = "bodies are what the mapping makes of the record"
    ONCE = "what is known to be delivered isn't sent again"
    SHOWN = "dead letters are those that are owed, and no others"
    PATIENT = "nothing is sent before Retry-After is over"
    ALIVE = "the exporter ends when it's asked to, and only then"
    MEANT = "enough went wrong for the run to mean something"


UNDER_WAY_SECONDS = 0.7
"""How late a request may arrive that was sent before an answer was read."""
EARLY_SECONDS = 0.05
"""How far two clocks may differ about the end of a wait."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise, broken once."""

    promise: Promise
    detail: str

    def __str__(self) -> str:
        """Name the promise and the culprit."""
        return f"{self.promise}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Counts:
    """How much happened in a run; as needs, how much has to have happened at least."""

    delivered: int = 0
    """Different events that the backend took."""
    duplicates: int = 0
    """Events that it took once more."""
    faults: int = 0
    """Posts that were answered wrongly, late or not at all."""
    kills: int = 0
    cuts: int = 0
    """Connections broken off between broker, exporter and backend."""
    repeats: int = 0
    """Wanted records that the broker sent once more."""
    unmappable: int = 0
    bad: int = 0
    """Events that were accepted, and that the backend never takes."""


def counts(history: History) -> Counts:
    """Return how much happened in *history*."""
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


def judge(history: History, needs: Counts, *, in_flight: int) -> list[Violation]:
    """
    Return all that is wrong with *history*.

    A process that is killed may leave *in_flight* events delivered and not settled.
    """
    return [
        *(each for rule in RULES for each in rule(history)),
        *repeated(history, in_flight),
        *meaningless(history, needs),
    ]


def lost(history: History) -> Iterator[Violation]:
    """Yield what was accepted, and is neither delivered nor owed as a dead letter."""
    delivered = {each for post in history.recorded for each in post.identities}
    for identity in sorted(history.owed - delivered - history.bad):
        yield Violation(Promise.KEPT, f"{identity} was accepted and never delivered")


def disordered(history: History) -> Iterator[Violation]:
    """
    Yield what overtook another event of its lane.

    Behind an event comes its successor, or one that came before: a repeat may go back,
    but then everything comes again, in order, up to where the lane had been.
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
            detail = f"lane {lane} ends with {place}, although {furthest[lane]} came"
            yield Violation(Promise.ORDERED, detail)


def foreign(history: History) -> Iterator[Violation]:
    """Yield what no engine ever issued."""
    for post in history.recorded:
        for identity in post.identities:
            if identity not in history.issued:
                yield Violation(Promise.ISSUED, f"{identity} was never issued")


def changed(history: History) -> Iterator[Violation]:
    """Yield what arrived with another body than its own."""
    for post in history.recorded:
        if len(post.identities) != len(post.digests):
            detail = f"{len(post.digests)} bodies for {len(post.identities)} identities"
            yield Violation(Promise.EQUAL, detail)
        for identity, digest in zip(post.identities, post.digests, strict=False):
            issued = history.issued.get(identity)
            if issued and issued.digest != digest:
                yield Violation(Promise.EQUAL, f"{identity} has another body")


def repeated(history: History, in_flight: int) -> Iterator[Violation]:
    """
    Yield what came again although its success had been read.

    A process remembers what it knows; one that is killed forgets *in_flight* at most.
    """
    known: dict[str, int] = {}
    forgotten: dict[int, set[str]] = defaultdict(set)
    for post in history.recorded:
        for identity in post.identities:
            life = known.get(identity)
            if life == post.life:
                detail = f"{identity} came again, to the same process"
                yield Violation(Promise.ONCE, detail)
            elif life is not None:
                forgotten[life].add(identity)
            if post.certain:
                known[identity] = post.life
    for life, identities in forgotten.items():
        if len(identities) > in_flight:
            detail = f"{len(identities)} events of life {life} came again, at most "
            yield Violation(Promise.ONCE, f"{detail}{in_flight} may")


def dead(history: History) -> Iterator[Violation]:
    """Yield the difference between the dead letters that are owed and those shown."""
    owed = len(history.unmappable) + len(history.owed & history.bad)
    if history.dead != owed:
        yield Violation(Promise.SHOWN, f"{history.dead} dead letters, {owed} owed")


def hasty(history: History) -> Iterator[Violation]:
    """Yield what was sent while the backend had asked for silence."""
    until: dict[int, tuple[float, float]] = {}
    for post in sorted(history.posts, key=lambda post: post.arrived):
        since, end = until.get(post.life, (0.0, 0.0))
        if since + UNDER_WAY_SECONDS < post.arrived < end - EARLY_SECONDS:
            detail = f"{end - post.arrived:.3f} s before Retry-After was over"
            yield Violation(Promise.PATIENT, detail)
        if post.retry_after and post.answered + post.retry_after > end:
            until[post.life] = post.answered, post.answered + post.retry_after


def ended(history: History) -> Iterator[Violation]:
    """Yield each process that ended by itself."""
    for number, life in enumerate(history.lives, start=1):
        if life.status is not None:
            detail = f"life {number} ended by itself with status {life.status}"
            yield Violation(Promise.ALIVE, detail)


def meaningless(history: History, needs: Counts) -> Iterator[Violation]:
    """Yield what happened less often than it *needs* to."""
    happened = asdict(counts(history))
    for what, least in asdict(needs).items():
        if happened[what] < least:
            detail = f"{what}: {happened[what]}, at least {least} are needed"
            yield Violation(Promise.MEANT, detail)


RULES: tuple[Callable[[History], Iterator[Violation]], ...] = (
    lost,
    disordered,
    foreign,
    changed,
    dead,
    hasty,
    ended,
)


def _deliveries(history: History) -> Iterator[str]:
    """Yield what the backend took and the engine had issued, as it arrived."""
    for post in history.recorded:
        for identity in post.identities:
            if identity in history.issued:
                yield identity
