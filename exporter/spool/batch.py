"""The events of one request, and the limits for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exporter.events import DEFAULT_TENANT, Event
from exporter.spool.waiting import Entry


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a batch; a single event may exceed them."""

    events: int
    bytes: int
    """Bytes of the bodies, joined with one byte between them."""
    identities: int
    """Bytes of the identities, joined with one byte between them."""
    prefix: int = 0
    """Bytes in front of each identity."""
    added: Callable[[str], int] = lambda _: 0
    """The bytes that the format adds to an event of a tenant, at most."""
    linger_seconds: float = 0
    """How long a batch waits to become full."""

    def fitting(self, entries: Sequence[Entry]) -> int:
        """Return how many of *entries* fit, which is at least one."""
        size = identities = -1  # there is one separator less than events
        added = self.added(entries[0].event.tenant) + 1 if entries else 0
        prefix = self.prefix + 1
        for number, (_, event) in enumerate(entries):
            size += len(event.body) + added
            identities += len(event.identity) + prefix
            if number and (size > self.bytes or identities > self.identities):
                return number
        return len(entries)


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one request, in order."""

    entries: Sequence[Entry]

    @property
    def events(self) -> list[Event]:
        """The events without their sequences."""
        return [entry.event for entry in self.entries]

    @property
    def tenant(self) -> str:
        """The physical tenant of all events."""
        return self.entries[0].event.tenant if self.entries else DEFAULT_TENANT

    def __str__(self) -> str:
        """Return the name in log lines: the first and the last position."""
        return f"{self.entries[0].event.place}..{self.entries[-1].event.place}"
