"""
What happened in a run, as its parts saw it: the oracle's only evidence.

The test's own broker, backend and proxies write everything here. The exporter only
contributes the number of its dead letters.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Issued(NamedTuple):
    """An event in the engine's log."""

    lane: int
    """Its process instance, or the negative partition when it has none."""
    place: int
    """Its number in its lane, from 0."""
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
    recorded: bool = False
    """Whether the backend took the events, whatever it answered."""
    certain: bool = False
    """Whether its success was read: another request came over the same connection."""
    answered: float = 0.0
    retry_after: float = 0.0
    read: float = 0.0
    """When the answer was given that came before it over its connection; 0: none."""
    read_before: float = 0.0
    """When the one before that was given; its sender has read both."""


@dataclass(slots=True)
class Life:
    """One process of the exporter."""

    killed: bool = False
    status: int | None = None
    """The exit status of a process that ended unasked, or not as asked."""


@dataclass
class History:
    """Grows during a run, and is only read afterwards."""

    issued: dict[str, Issued] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    """Events of bulk requests that were answered with success."""
    unmappable: set[str] = field(default_factory=set)
    """Records of such requests that can't become events."""
    bad: set[str] = field(default_factory=set)
    """Events that the backend always refuses."""
    posts: list[Post] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    dead: int = 0
    """The number of dead letters that the exporter shows in the end."""
    bulks: int = 0
    """Bulk requests answered with success."""
    repeats: int = 0
    """Wanted records that were sent to the exporter more than once."""
    cuts: int = 0
    """Connections broken off on purpose."""
    missing: set[str] = field(default_factory=set)
    """Events that are owed and aren't delivered yet."""
    peace: bool = False
    """Whether the faults are over: then no more bad events are issued."""
    watch: Callable[[str], None] = lambda _: None
    """Is called at each moment: tried, answered, arrived, recorded."""
    _taken: set[str] = field(default_factory=set)

    def answer(self, events: Iterable[str], unmappable: Iterable[str]) -> None:
        """Note a bulk request that was answered with success."""
        new = set(events)
        self.owed |= new
        self.missing |= new - self._taken - self.bad
        self.unmappable.update(unmappable)
        self.bulks += 1
        self.watch("answered")

    def record(self, post: Post) -> None:
        """Note that the backend took the events of *post*."""
        post.recorded = True
        self._taken.update(post.identities)
        self.missing.difference_update(post.identities)
        self.watch("recorded")

    def arrive(self, post: Post) -> None:
        """Note that *post* has arrived."""
        self.posts.append(post)
        self.watch("arrived")

    @property
    def delivered(self) -> int:
        """The number of different events that the backend took."""
        return len(self._taken)

    @property
    def recorded(self) -> list[Post]:
        """The posts whose events the backend took, in the order of their arrival."""
        return [post for post in self.posts if post.recorded]
