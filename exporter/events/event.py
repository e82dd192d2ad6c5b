"""What the backend is told about one record, and what identifies it."""

from sys import intern
from typing import NamedTuple

NO_INSTANCE = -1

DEFAULT_TENANT = "default"
"""The physical tenant that every cluster has."""

ONLY_BACKEND = "default"
"""The name of a backend that is configured without one."""


Lane = tuple[str, int]
"""A physical tenant, and a process instance or, below 0, a partition of it."""


class Event(NamedTuple):
    """
    One event, encoded once.

    Everything but its body is what the spool sorts it by, and what other formats than
    the usual say besides.

    A named tuple, because one is made for every event and a frozen dataclass
    takes three times as long.
    """

    partition: int
    position: int
    timestamp: int
    """Engine time of the record, milliseconds since 1970."""
    key: int
    instance: int
    """Process instance key, or `NO_INSTANCE`."""
    body: bytes
    kind: str = ""
    """What happened, like `user-task.created`; empty when it's unknown."""
    broker: str = ""
    """The version of the broker that wrote the record, empty when it's unknown."""
    tenant: str = DEFAULT_TENANT
    """The physical tenant whose partition it is, which no record names."""
    backends: tuple[str, ...] = (ONLY_BACKEND,)
    """Who is to get it."""
    watchers: tuple[str, ...] = ()
    """Backends whose filters may lose the thing later: see `exporter.spool.known`."""

    @property
    def place(self) -> str:
        """Where in the engine's logs it is; nothing names the default tenant."""
        place = f"{self.partition}-{self.position}"
        return place if self.tenant == DEFAULT_TENANT else f"{self.tenant}-{place}"

    @property
    def identity(self) -> str:
        """The same whoever sends the event, and different after a purge."""
        return f"{self.place}-{self.timestamp}"

    def identity_in(self, cluster_id: str) -> str:
        """Return its identity among all clusters; an empty *cluster_id* is none."""
        return f"{cluster_id}-{self.identity}" if cluster_id else self.identity

    @property
    def lane(self) -> Lane:
        """Events of one lane stay in order: an instance, else a whole partition."""
        # The file gives a new text for each event, and many lanes may be held up.
        tenant = intern(self.tenant)
        return tenant, self.instance if self.instance > 0 else -self.partition
