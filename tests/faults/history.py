"""
What happened in a run, as its parts saw it: the oracle's only evidence.

Everything here is written by the test's own broker, backend and proxies, never by the
exporter, except for the number of its dead letters.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Issued(NamedTuple):
    """An event that the engine's log holds."""

    lane: int
    """Its process instance, or the negative partition when it has none."""
    place: int
    """Which one of its lane it is, from 0."""
    digest: int
    """Of the body that the backend is owed."""


@dataclass(slots=True)
class Post:
    """One request to the backend. Times are seconds of a monotonic clock."""

    life: int
    """The number of the exporter's process that sent it, from 1."""
    identities: tuple[str, ...]
    digests: tuple[int, ...]
    arrived: float = 0.0
    fault: str = ""
    status: int | None = None
    """None when no whole head of an answer went out."""
    recorded: bool = False
    """Whether the backend has taken the events, whatever it answered."""
    certain: bool = False
    """Whether its success was read: another request came over the same connection."""
    answered: float = 0.0
    retry_after: float = 0.0


@dataclass(slots=True)
class Life:
    """One process of the exporter."""

    killed: bool = False
    status: int | None = None
    """With which it ended by itself, when nobody had asked it to."""


@dataclass
class History:
    """Grows while a run lasts; afterwards it is read only."""

    issued: dict[str, Issued] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    """Events of bulk requests that were answered with success."""
    unmappable: set[str] = field(default_factory=set)
    """Records of such requests that can't become events."""
    bad: set[str] = field(default_factory=set)
    """Events that the backend refuses whenever it sees them."""
    posts: list[Post] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    dead: int = 0
    """How many dead letters the exporter shows in the end."""
    bulks: int = 0
    """Bulk requests answered with success."""
    repeats: int = 0
    """Wanted records that were sent to the exporter more than once."""
    cuts: int = 0
    """Connections broken off on purpose."""
    missing: set[str] = field(default_factory=set)
    """What is owed and hasn't been delivered so far."""
    peace: bool = False
    """Whether the faults are over: then no more bad events are issued."""
    watch: Callable[[str], None] = lambda _: None
    """Learns of each moment: tried, answered, arrived, recorded."""
    _taken: set[str] = field(default_factory=set)

    def answer(self, events: Iterable[str], unmappable: Iterable[str]) -> None:
        """Note a bulk request that was answered with success."""
        for identity in events:
            self.owed.add(identity)
            if identity not in self._taken and identity not in self.bad:
                self.missing.add(identity)
        self.unmappable.update(unmappable)
        self.bulks += 1
        self.watch("answered")

    def record(self, post: Post) -> None:
        """Note that the backend has taken *post*."""
        post.recorded = True
        self._taken.update(post.identities)
        self.missing.difference_update(post.identities)
        self.watch("recorded")

    def arrive(self, post: Post) -> None:
        """Note that *post* has arrived, whatever becomes of it."""
        self.posts.append(post)
        self.watch("arrived")

    @property
    def recorded(self) -> list[Post]:
        """The posts that the backend took, in the order of their arrival."""
        return [post for post in self.posts if post.recorded]
