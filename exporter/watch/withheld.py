"""
Detect a broker whose exporter withholds selected events: its Optimize mode.

Optimize mode is on by default from 8.10 on. The exporter then sends CREATING of a user
task but not CREATED, and ELEMENT_ACTIVATING of an element but not ELEMENT_ACTIVATED.
A missing CREATED alone isn't enough, because the task may wait for a listener's job:
some keys must have gone on without it, or an hour must have passed. The broker always
sends process instances, so some of their records are read even if none is selected.
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
"""The intents sent in Optimize mode. Any other intent shows that it is off."""
FIRST = {"CREATING", "ELEMENT_ACTIVATING"}

ENOUGH = 5
"""How many keys are needed as evidence."""
LONG_MS = 60 * 60 * 1000
"""One hour of the engine's time."""
MOST_KEYS, MOST_PARTITIONS = 1000, 1000
LOOKED, SKIPPED = 1000, 10_000
"""How many unselected records are read in a row, and how many are then skipped."""

Report = dict[str, Any]
Partition = tuple[str, int]
"""A physical tenant and a partition."""


class Withheld:
    """Looks at every record that may be selected, and at some others."""

    def __init__(self) -> None:
        self._events: list[str] = []
        self._changed: Callable[[Report | None], None] = lambda _: None
        self._exporter_id = ""
        self._may_withhold: Callable[[str], bool] = lambda _: True
        self._begun: dict[Partition, dict[int, int]] = {}
        """The engine time, in milliseconds, of each key's first intent."""
        self._went_on: dict[Partition, set[int]] = defaultdict(set)
        self._withholding: set[Partition] = set()
        self._samples = True
        """Whether process instances aren't selected, so that only some are read."""
        self._turn = -1

    def watch(
        self,
        selections: Iterable[Selection],
        changed: Callable[[Report | None], None],
        *,
        exporter_id: str,
        may_withhold: Callable[[str], bool],
    ) -> None:
        """
        Watch the events of *selections*; call *changed* when the `report` changes.

        *exporter_id* is the id of the broker's exporter. *may_withhold* returns whether
        brokers of a version have Optimize mode.
        """
        self._changed = changed
        self._exporter_id, self._may_withhold = exporter_id, may_withhold
        rules = [rule for each in selections for rule in each.rules()]
        missing = {
            rule.name.replace(".", ":")
            for rule in rules
            if rule.kind.intent not in SENT.get(rule.type.value_type, ())
        }
        self._events = sorted(missing)
        self._samples = "PROCESS_INSTANCE" not in {
            rule.type.value_type for rule in rules
        }

    def wants_instance(self) -> bool:
        """Whether to read a record of a process instance that isn't selected."""
        if not self._events:
            return False
        self._turn = (self._turn + 1) % (LOOKED + SKIPPED)
        if self._turn == LOOKED:
            self._skip()
        return self._turn < LOOKED

    def _skip(self) -> None:
        """Skip records for a while, and forget keys whose records will be missed."""
        self._turn = LOOKED
        self._begun.clear()
        self._went_on.clear()

    def look(self, record: Record, tenant: str) -> None:
        """Learn from a *record* of *tenant*, selected or not."""
        try:
            intent = record.word("intent")
            # The usual case, in which no key is watched, must be fast.
            if not (intent in FIRST or self._begun or self._withholding):
                return
            if self._events and record.word("recordType") == "EVENT":
                self._learn((tenant, record.number("partitionId")), intent, record)
        except UnmappableError:
            pass  # the mapping handles such a record

    def _learn(self, partition: Partition, intent: str, record: Record) -> None:
        value_type = record.word("valueType")
        if intent not in SENT.get(value_type, ()):
            self._sent_anyway(partition, value_type)
            return
        begun = self._begun.get(partition)
        if begun is None:
            if intent not in FIRST or len(self._begun) >= MOST_PARTITIONS:
                return
            begun = self._begun[partition] = {}
        key, now = record.number("key"), record.number("timestamp")
        if intent not in FIRST:
            self._went_on[partition].update(begun.keys() & {key})
        elif len(begun) < MOST_KEYS:
            begun.setdefault(key, now)
        if partition not in self._withholding and self._withholds(
            partition, now, record.broker_version
        ):
            self._toggle(partition)

    def _sent_anyway(self, partition: Partition, value_type: str) -> None:
        """Learn that the broker sent an intent that Optimize mode would withhold."""
        if self._begun.pop(partition, None):
            self._went_on.pop(partition, None)
        if self._samples and value_type == "PROCESS_INSTANCE":
            self._skip()
        if partition in self._withholding:
            self._toggle(partition)

    def _withholds(self, partition: Partition, now: int, version: str) -> bool:
        """Whether a broker of *version* withholds events, at the engine time *now*."""
        begun = self._begun[partition]
        if len(begun) < ENOUGH:
            return False
        since = next(iter(begun.values()))
        enough = len(self._went_on[partition]) >= ENOUGH or now - since > LONG_MS
        return enough and self._may_withhold(version)

    def _toggle(self, partition: Partition) -> None:
        before = self.report()
        self._withholding ^= {partition}
        if (after := self.report()) != before:
            self._changed(after)

    def report(self) -> Report | None:
        """Return the withheld events, the reason and a remedy, or None."""
        if not self._withholding:
            return None
        name, tenants = (
            self._exporter_id.upper(),
            sorted({x for x, _ in self._withholding}),
        )
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
