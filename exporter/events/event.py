"""What the backend is told about one record, and what identifies it."""

from typing import NamedTuple

NO_INSTANCE = -1


class Event(NamedTuple):
    """
    One event, encoded once; everything else here is what the spool sorts it by.

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

    @property
    def identity(self) -> str:
        """The same whoever sends the event, and different after a purge."""
        return f"{self.partition}-{self.position}-{self.timestamp}"

    @property
    def lane(self) -> int:
        """Events of one lane stay in order: an instance, else a whole partition."""
        return self.instance if self.instance > 0 else -self.partition
