"""
Was every promise kept? The oracle judges a history, and nothing else.

Pure: no clock, no I/O. A doubtful case is no violation: an event may come twice when
its answer may have been lost, or its process was killed.
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
    EQUAL = "bodies are what the mapping makes of the record"
    ONCE = "what is known to be delivered isn't sent again"
    SHOWN = "dead letters are those that are owed, and no others"
    PATIENT = "nothing is sent before Retry-After is over"
    ALIVE = "the exporter ends when it's asked to, and only then"
    MEANT = "enough went wrong for the run to mean something"


EARLY_SECONDS = 0.05
"""How far two clocks may differ about the end of a wait."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise, broken once."""

    promise: Promise
    detail: str

    def __str__(self) -> str:
        """Name the promise and the event."""
        return f"{self.promise}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Counts:
    """How much happened in a run, or as needs: how much must happen at least."""

    delivered: int = 0
    """Different events that the backend took."""
    duplicates: int = 0
    """Events that it took again."""
    faults: int = 0
    """Posts that were answered wrongly, late or not at all."""
    kills: int = 0
    cuts: int = 0
    """Connections broken off between broker, exporter and backend."""
    repeats: int = 0
    """Wanted records that the broker sent again."""
    unmappable: int = 0
    bad: int = 0
    """Accepted events that the backend never takes."""


def counts(history: History) -> Counts:
    """Count what happened in *history*."""
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
    Return every violation in *history*.

    A killed process may leave *in_flight* events that are delivered and not settled.
    """
    return [
        *(each for rule in RULES for each in rule(history)),
        *repeated(history, in_flight),
        *meaningless(history, needs),
    ]


def lost(history: History) -> Iterator[Violation]:
    """Yield accepted events that are neither delivered nor owed as dead letters."""
    delivered = {each for post in history.recorded for each in post.identities}
    for identity in sorted(history.owed - delivered - history.bad):
        yield Violation(Promise.KEPT, f"{identity} was accepted and never delivered")


def disordered(history: History) -> Iterator[Violation]:
    """
    Yield events that overtook another event of their lane.

    After an event comes its successor, or one that came before: a repeat may go back,
    but then all events come again, in order, up to where the lane had been.
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
    """Yield events that the engine never issued."""
    for post in history.recorded:
        for identity in post.identities:
            if identity not in history.issued:
                yield Violation(Promise.ISSUED, f"{identity} was never issued")


def changed(history: History) -> Iterator[Violation]:
    """Yield events that arrived with the body of another."""
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
    Yield events that came again although their success had been read.

    A process remembers delivered events; a killed one forgets at most *in_flight*.
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
    """Yield a difference between the dead letters that are owed and shown."""
    owed = len(history.unmappable) + len(history.owed & history.bad)
    if history.dead != owed:
        yield Violation(Promise.SHOWN, f"{history.dead} dead letters, {owed} owed")


def hasty(history: History) -> Iterator[Violation]:
    """
    Yield posts that were sent while the backend had asked for silence.

    However late a post arrives, it may have been sent before that was read. It wasn't
    if it came behind that answer over the same connection, or behind two that were
    given later: when the first one was read, the older one had arrived as well.
    """
    until: dict[int, tuple[float, float]] = {}
    for post in sorted(history.posts, key=lambda post: post.arrived):
        since, end = until.get(post.life, (0.0, 0.0))
        has_read = post.read == since or post.read_before >= since
        if has_read and post.arrived < end - EARLY_SECONDS:
            detail = f"{end - post.arrived:.3f} s before Retry-After was over"
            yield Violation(Promise.PATIENT, detail)
        if post.retry_after and post.arrived + post.retry_after > end:
            until[post.life] = post.answered, post.arrived + post.retry_after


def ended(history: History) -> Iterator[Violation]:
    """Yield processes that ended by themselves."""
    for number, life in enumerate(history.lives, start=1):
        if life.status is not None:
            detail = f"life {number} ended by itself with status {life.status}"
            yield Violation(Promise.ALIVE, detail)


def meaningless(history: History, needs: Counts) -> Iterator[Violation]:
    """Yield what happened less often than *needs* says."""
    happened = asdict(counts(history))
    for what, least in asdict(needs).items():
        if happened[what] < least:
            detail = f"{what}: {happened[what]}, at least {least} are needed"
            yield Violation(Promise.MEANT, detail)


RULES: list[Callable[[History], Iterator[Violation]]] = [lost, disordered, foreign]
RULES += [changed, dead, hasty, ended]


def _deliveries(history: History) -> Iterator[str]:
    """Yield issued events that the backend took, in the order of their arrival."""
    for post in history.recorded:
        for identity in post.identities:
            if identity in history.issued:
                yield identity
