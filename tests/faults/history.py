"""
The history of a run: the only input of the oracle.

The test's broker, backend and proxies write it. The exporter contributes only the
number of its dead letters.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Issued(NamedTuple):
    """An event in the engine's log."""

    lane: int
    """The process instance, or the negative partition if there is none."""
    place: int
    """The number of the event in its lane, from 0."""
    digest: int
    """The digest of the correct body."""


@dataclass(slots=True)
class Post:
    """One request to the backend. Times are in seconds of a monotonic clock."""

    life: int
    """The number of the sending life of the exporter, from 1."""
    identities: tuple[str, ...]
    digests: tuple[int, ...]
    arrived: float = 0.0
    fault: str = ""
    recorded: bool = False
    """Whether the backend took the events, whatever the answer."""
    certain: bool = False
    """Whether the client read the 2xx: it sent another request over the connection."""
    answered: float = 0.0
    retry_after: float = 0.0
    read: float = 0.0
    """The time of the previous answer over the same connection; 0 if there is none."""
    read_before: float = 0.0
    """The time of the answer before `read`; the sender has read both."""


@dataclass(slots=True)
class Life:
    """One process of the exporter."""

    killed: bool = False
    status: int | None = None
    """The exit status of an unexpected end; None if there was none."""


@dataclass
class History:
    """All events, requests and lives of a run."""

    issued: dict[str, Issued] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    """Events of successful bulk requests."""
    unmappable: set[str] = field(default_factory=set)
    """Records of successful bulk requests that can't be mapped."""
    bad: set[str] = field(default_factory=set)
    """Events that the backend always refuses."""
    posts: list[Post] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    dead: int = 0
    """The number of dead letters that the exporter shows at the end."""
    bulks: int = 0
    """The number of successful bulk requests."""
    repeats: int = 0
    """The number of wanted records that were sent again."""
    cuts: int = 0
    """The number of connections cut on purpose."""
    missing: set[str] = field(default_factory=set)
    """Owed events that aren't delivered yet."""
    peace: bool = False
    """Whether the faults are over; then no more bad events are issued."""
    watch: Callable[[str], None] = lambda _: None
    """A callback for each moment: tried, answered, arrived or recorded."""
    _taken: set[str] = field(default_factory=set)

    def answer(self, events: Iterable[str], unmappable: Iterable[str]) -> None:
        """Record a successful bulk request."""
        new = set(events)
        self.owed |= new
        self.missing |= new - self._taken - self.bad
        self.unmappable.update(unmappable)
        self.bulks += 1
        self.watch("answered")

    def record(self, post: Post) -> None:
        """Record that the backend took the events of *post*."""
        post.recorded = True
        self._taken.update(post.identities)
        self.missing.difference_update(post.identities)
        self.watch("recorded")

    def arrive(self, post: Post) -> None:
        """Record the arrival of *post*."""
        self.posts.append(post)
        self.watch("arrived")

    @property
    def delivered(self) -> int:
        """The number of different events that the backend took."""
        return len(self._taken)

    @property
    def recorded(self) -> list[Post]:
        """The posts whose events the backend took, in order of arrival."""
        return [post for post in self.posts if post.recorded]
