"""An event, and its identity."""

from sys import intern
from typing import NamedTuple

DEFAULT_TENANT = "default"
"""The physical tenant that every cluster has."""

ONLY_BACKEND = "default"
"""The name of a backend that is configured without a name."""

Lane = tuple[str, int]
"""A physical tenant, and a process instance or a negative partition number."""


# A named tuple: creating a frozen dataclass takes three times as long.
class Event(NamedTuple):
    """One event: its encoded body, and the fields that the spool and formats need."""

    partition: int
    position: int
    timestamp: int
    """Engine time of the record in milliseconds since 1970."""
    key: int
    instance: int
    """The process instance key, or -1."""
    body: bytes
    kind: str = ""
    """The name of the event, like `user-task.created`; empty if unknown."""
    broker: str = ""
    """The version of the broker that wrote the record; empty if unknown."""
    tenant: str = DEFAULT_TENANT
    """The physical tenant; the record doesn't contain it."""
    backends: tuple[str, ...] = (ONLY_BACKEND,)
    """The backends that get the event."""
    watchers: tuple[str, ...] = ()
    """The backends whose filters may hide later events: see `exporter.spool.known`."""

    @property
    def place(self) -> str:
        """The partition and position, after the tenant unless it's the default one."""
        place = f"{self.partition}-{self.position}"
        return place if self.tenant == DEFAULT_TENANT else f"{self.tenant}-{place}"

    @property
    def identity(self) -> str:
        """The identity: the same in every repeat, and different after a purge."""
        return f"{self.place}-{self.timestamp}"

    def identity_in(self, cluster_id: str) -> str:
        """Return the identity among all clusters; *cluster_id* may be empty."""
        return f"{cluster_id}-{self.identity}" if cluster_id else self.identity

    @property
    def lane(self) -> Lane:
        """The lane in which events stay in order."""
        # SQLite returns a new string for each event, and many lanes may be in memory.
        tenant = intern(self.tenant)
        return tenant, self.instance if self.instance > 0 else -self.partition
