"""
Notice a broker whose exporter withholds selected events: its Optimize mode.

From 8.10 on this mode is on by default. The exporter then sends CREATING of a
user task but not CREATED, ELEMENT_ACTIVATING of an element but not ELEMENT_ACTIVATED.
A missing CREATED alone proves little, because the task may wait for a listener's job.
So some keys must have gone on without it, or an hour must have passed. Process
instances are sent even if nobody selects them, so some of their records are read, too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from exporter.events import DEFAULT_TENANT, Selection, UnmappableError
from exporter.events.record import Record

SENT = {
    "USER_TASK": {"CREATING", "ASSIGNED", "COMPLETED", "CANCELED"},
    "PROCESS_INSTANCE": {
        "ELEMENT_ACTIVATING",
        "ELEMENT_COMPLETED",
        "ELEMENT_TERMINATED",
    },
    "INCIDENT": {"CREATED", "RESOLVED", "MIGRATED"},
    "VARIABLE": {"CREATED", "UPDATED"},
    "PROCESS": {"CREATED"},
}
"""The intents sent in Optimize mode; any other intent shows that it is off."""
FIRST = {"CREATING", "ELEMENT_ACTIVATING"}

ENOUGH = 5
"""How many keys must show it."""
LONG_MS = 60 * 60 * 1000
"""One hour of the engine's time."""
MOST_KEYS, MOST_STREAMS = 1000, 1000
LOOKED, SKIPPED = 1000, 10_000
"""How many unselected records in a row are read, and how many are then skipped."""

Report = dict[str, Any]
Name = tuple[str, int]
"""A physical tenant and a partition."""


class Withheld:
    """Learns from every record that may be selected, and from some others."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._events: list[str] = []
        self._say: Callable[[Report | None], None] = lambda _: None
        self._exporter_id = ""
        self._may_withhold: Callable[[str], bool] = lambda _: True
        self._begun: dict[Name, dict[int, int]] = {}
        """When keys had their first intent, in milliseconds of the engine's time."""
        self._proven: dict[Name, set[int]] = defaultdict(set)
        self._showing: set[Name] = set()
        self._some = True
        """Whether nobody selects process instances, so that only some are read."""
        self._turn = -1

    def watch(
        self,
        selections: Iterable[Selection],
        say: Callable[[Report | None], None],
        *,
        exporter_id: str,
        may_withhold: Callable[[str], bool],
    ) -> None:
        """
        Watch the events of *selections*; call *say* when the `report` changes.

        The broker's exporter is *exporter_id*. *may_withhold* says whether brokers of a
        version have Optimize mode.
        """
        self._say = say
        self._exporter_id, self._may_withhold = exporter_id, may_withhold
        rules = [rule for each in selections for rule in each.rules()]
        missing = {
            rule.name.replace(".", ":")
            for rule in rules
            if rule.kind.intent not in SENT.get(rule.type.value_type, ())
        }
        self._events = sorted(missing)
        self._some = "PROCESS_INSTANCE" not in {rule.type.value_type for rule in rules}

    def wants_instance(self) -> bool:
        """Whether to read a record of a process instance that nobody selects."""
        if not self._events:
            return False
        self._turn = (self._turn + 1) % (LOOKED + SKIPPED)
        if self._turn == LOOKED:
            self._skip()
        return self._turn < LOOKED

    def _skip(self) -> None:
        """Skip records for a while, and forget keys whose records would have gaps."""
        self._turn = LOOKED
        self._begun.clear()
        self._proven.clear()

    def look(self, record: Record, tenant: str) -> None:
        """Learn from a *record* of *tenant*, whether it is selected or not."""
        try:
            intent = record.word("intent")
            # The usual case, in which no key is open, must cost little.
            if not (intent in FIRST or self._begun or self._showing):
                return
            if self._events and record.word("recordType") == "EVENT":
                self._learn((tenant, record.number("partitionId")), intent, record)
        except UnmappableError:
            pass  # the mapping decides about such a record

    def _learn(self, name: Name, intent: str, record: Record) -> None:
        value_type = record.word("valueType")
        if intent not in SENT.get(value_type, ()):
            self._is_sent(name, value_type)
            return
        begun = self._begun.get(name)
        if begun is None:
            if intent not in FIRST or len(self._begun) >= MOST_STREAMS:
                return
            begun = self._begun[name] = {}
        key, now = record.number("key"), record.number("timestamp")
        if intent not in FIRST:
            self._proven[name].update(begun.keys() & {key})
        elif len(begun) < MOST_KEYS:
            begun.setdefault(key, now)
        if name not in self._showing and self._shows(name, now, record.broker_version):
            self._turn_round(name)

    def _is_sent(self, name: Name, value_type: str) -> None:
        """Learn that the broker sent an intent that Optimize mode withholds."""
        if self._begun.pop(name, None):
            self._proven.pop(name, None)
        if self._some and value_type == "PROCESS_INSTANCE":
            self._skip()
        if name in self._showing:
            self._turn_round(name)

    def _shows(self, name: Name, now: int, version: str) -> bool:
        """Whether a broker of *version* withholds something, at the engine's *now*."""
        begun = self._begun[name]
        if len(begun) < ENOUGH:
            return False
        since = next(iter(begun.values()))
        is_proven = len(self._proven[name]) >= ENOUGH or now - since > LONG_MS
        return is_proven and self._may_withhold(version)

    def _turn_round(self, name: Name) -> None:
        before = self.report()
        self._showing ^= {name}
        if (after := self.report()) != before:
            self._say(after)

    def report(self) -> Report | None:
        """Return withheld events, reason and remedy; None if there are none."""
        if not self._showing:
            return None
        name, tenants = self._exporter_id.upper(), sorted({x for x, _ in self._showing})
        of = f" of {', '.join(tenants)}" if tenants != [DEFAULT_TENANT] else ""
        return {
            "events": self._events,
            "physical_tenants": tenants,
            "reason": f"{', '.join(self._events)}{of} never arrives: the broker's "
            f"exporter {name} is in Optimize mode",
            "remedy": f"Set CAMUNDA_DATA_EXPORTERS_{name}_ARGS_INDEX_"
            "OPTIMIZEMODEENABLED=false, or in YAML index.optimizeModeEnabled: false "
            "below args of the exporter with your id, and restart the brokers",
        }
