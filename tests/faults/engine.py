"""
What an engine's log holds: wanted records, others, and some that can't be mapped.

Drawn from a seed. A few instances are hot, some events have none, and some are such as
the backend will never take.
"""

import random
from dataclasses import dataclass
from typing import NamedTuple

from exporter.events import Mapper
from tests.faults.history import History, Issued
from tests.faults.stub import digest_of
from tests.records import KEY, NOON, a_record, action, line

MAPPER = Mapper()
INTENTS = ("CREATED", "ASSIGNED", "COMPLETED", "CANCELED")
OTHER_TYPES = ("process-instance", "job", "variable")
ASSIGNEES = ("demo", "", "Zoë 🚀", 'quoted "and" \\ more', "</script>", "\u2028")
TEAMS = ("sales", "ops", "Käse", "a" * 200)


@dataclass(frozen=True, slots=True)
class Contents:
    """What the log is made of."""

    instances: int = 40
    hot: float = 0.4
    """How many of all events belong to three instances."""
    unwanted: float = 0.2
    unmappable: float = 0.01
    bad: float = 0.0
    """How many events the backend refuses whenever it sees them."""
    step_ms: int = 1
    """How much engine time passes from record to record."""


class Sent(NamedTuple):
    """One record as it goes over the wire: an action line and a document."""

    data: bytes
    event: str = ""
    """Its identity, when it is to become an event."""
    unmappable: str = ""
    """Its id, when it is to become a dead letter."""


class Log:
    """The log of one partition, record by record."""

    def __init__(
        self, partition: int, seed: str, history: History, contents: Contents
    ) -> None:
        """Note in *history* what is issued."""
        self._partition = partition
        self._chance = random.Random(f"{seed}/{partition}")  # noqa: S311 - no secret
        self._history = history
        self._contents = contents
        self._position = 0
        self._places: dict[int, int] = {}

    def next(self) -> Sent:
        """Return the next record."""
        self._position += self._chance.randint(1, 3)  # the engine's log has gaps
        chance = self._chance.random()
        if chance < self._contents.unmappable:
            return self._unmappable()
        if chance < self._contents.unmappable + self._contents.unwanted:
            return self._unwanted()
        return self._wanted()

    def _wanted(self) -> Sent:
        instance = self._instance()
        record = self._record(
            intent=self._chance.choice(INTENTS),
            value={
                "processInstanceKey": instance,
                "assignee": self._chance.choice(ASSIGNEES),
                "candidateGroupsList": self._chance.sample(TEAMS, 2),
            },
        )
        document = line(record)
        event = MAPPER.event(document)
        assert event
        lane = instance if instance > 0 else -self._partition
        place = self._places.get(lane, 0)
        self._places[lane] = place + 1
        self._history.issued[event.identity] = Issued(
            lane, place, digest_of(event.body)
        )
        bad = self._chance.random() < self._contents.bad
        if bad and not self._history.peace:
            self._history.bad.add(event.identity)
        return Sent(b"%b\n%b\n" % (action(record), document), event=event.identity)

    def _unwanted(self) -> Sent:
        kind = self._chance.choice((*OTHER_TYPES, "user-task", "user-task"))
        record = self._record(
            valueType=kind.upper().replace("-", "_"),
            **self._chance.choice(
                ({"intent": "CREATING"}, {"intent": "CREATED", "recordType": "COMMAND"})
            ),
        )
        return Sent(b"%b\n%b\n" % (action(record, kind), line(record)))

    def _unmappable(self) -> Sent:
        whole = line(self._record())
        document = self._chance.choice(
            (
                whole[: len(whole) // 2],
                line(self._record(value={"assignee": 7})),
                line(self._record(without=("timestamp",))),
                b"[%b]" % whole,
            )
        )
        name = f"{self._partition}-{self._position}"
        data = b"%b\n%b\n" % (action(self._record()), document)
        return Sent(data, unmappable=name)

    def _record(self, **changes) -> dict:
        return a_record(
            self._position,
            partitionId=self._partition,
            timestamp=NOON + self._position * self._contents.step_ms,
            **changes,
        )

    def _instance(self) -> int:
        """Return an instance of this partition, or -1 for an event without one."""
        if self._chance.random() < self._contents.hot:
            number = self._chance.randint(0, 2)
        else:
            number = self._chance.randint(0, self._contents.instances)
        return KEY + self._partition * 1000 + number if number else -1
