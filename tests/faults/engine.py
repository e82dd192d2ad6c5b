"""
An engine's log: wanted records, unwanted records, and some that can't be mapped.

All contents come from a seed. A few instances have many events, some events have no
instance, and the backend refuses some events always.
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
OTHER_TYPES = ("process-instance", "job", "variable", "user-task", "user-task")
OTHERS = ({"intent": "CREATING"}, {"intent": "CREATED", "recordType": "COMMAND"})
ASSIGNEES = ("demo", "", "Zoë 🚀", 'quoted "and" \\ more', "</script>", "\u2028")
TEAMS = ("sales", "ops", "Käse", "a" * 200)

INSTANCES = 40
HOT = 0.4
"""The share of all events that belong to three instances."""
UNWANTED = 0.2


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of the log, as shares."""

    unmappable: float = 0.01
    bad: float = 0.0
    """Events that the backend always refuses."""
    step_ms: int = 1
    """The engine time between two positions."""


class Sent(NamedTuple):
    """One record in its wire form: an action line and a document."""

    data: bytes
    event: str = ""
    """Its identity, if the record becomes an event."""
    unmappable: str = ""
    """Its id, if the record becomes a dead letter."""


class Log:
    """The log of one partition, record by record."""

    def __init__(
        self, partition: int, seed: str, history: History, contents: Contents
    ) -> None:
        self._partition = partition
        self._chance = random.Random(f"{seed}/{partition}")  # noqa: S311 - no secret
        self._history = history
        self._contents = contents
        self._position = 0
        self._places: dict[int, int] = {}

    def next(self) -> Sent:
        """Return the next record."""
        self._position += self._chance.randint(1, 3)  # the engine's log has gaps
        chance = self._chance.random() - self._contents.unmappable
        if chance < 0:
            return self._unmappable()
        return self._unwanted() if chance < UNWANTED else self._wanted()

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
        event = MAPPER.event(line(record))
        assert event
        lane = instance if instance > 0 else -self._partition
        place = self._places[lane] = self._places.get(lane, -1) + 1
        issued = Issued(lane, place, digest_of(event.body))
        self._history.issued[event.identity] = issued
        bad = self._chance.random() < self._contents.bad
        if bad and not self._history.peace:
            self._history.bad.add(event.identity)
        return Sent(_lines(record, line(record)), event=event.identity)

    def _unwanted(self) -> Sent:
        kind = self._chance.choice(OTHER_TYPES)
        record = self._record(
            valueType=kind.upper().replace("-", "_"), **self._chance.choice(OTHERS)
        )
        return Sent(_lines(record, line(record), kind))

    def _unmappable(self) -> Sent:
        record = self._record()
        whole = line(record)
        documents = (
            whole[: len(whole) // 2],
            line(self._record(value={"assignee": 7})),
            line(self._record(without=("timestamp",))),
            b"[%b]" % whole,
        )
        name = f"{self._partition}-{self._position}"
        return Sent(_lines(record, self._chance.choice(documents)), unmappable=name)

    def _record(self, **changes) -> dict:
        return a_record(
            self._position,
            partitionId=self._partition,
            timestamp=NOON + self._position * self._contents.step_ms,
            **changes,
        )

    def _instance(self) -> int:
        """Return an instance of this partition, or -1 for none."""
        most = 2 if self._chance.random() < HOT else INSTANCES
        number = self._chance.randint(0, most)
        return KEY + self._partition * 1000 + number if number else -1


def _lines(record: dict, document: bytes, kind: str = "user-task") -> bytes:
    return b"%b\n%b\n" % (action(record, kind), document)
