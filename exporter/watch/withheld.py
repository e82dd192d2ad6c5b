"""
Detect a broker whose exporter withholds selected events: its Optimize mode.

Optimize mode is on by default from 8.10 on. The exporter then sends CREATING of a user
task but not CREATED, and ELEMENT_ACTIVATING of an element but not ELEMENT_ACTIVATED.
A missing CREATED alone isn't enough, because the task may wait for a listener's job:
some keys must have gone on without it, or an hour must have passed. The broker always
sends process instances, so some of their records are read even if none is selected.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from exporter.events import DEFAULT_TENANT, Selection
from exporter.events.record import Record

log = logging.getLogger(__name__)

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


@dataclass(slots=True)
class Evidence:
    """What was seen of one partition, since it last sent a withheld intent."""

    begun: dict[int, int] = field(default_factory=dict)
    """The engine time, in milliseconds, of each key's first intent."""
    went_on: set[int] = field(default_factory=set)
    """The keys of *begun* that had another intent."""

    def suffices(self, now: int) -> bool:
        """Whether the broker withholds events, at the engine time *now*."""
        if len(self.begun) < ENOUGH:
            return False
        since = next(iter(self.begun.values()))
        return len(self.went_on) >= ENOUGH or now - since > LONG_MS


class Withheld:
    """Looks at every record that may be selected, and at some others."""

    def __init__(
        self,
        selections: Iterable[Selection],
        *,
        exporter_id: str,
        may_withhold: Callable[[str], bool],
    ) -> None:
        """
        Watch for the events of *selections*.

        *exporter_id* is the id of the broker's exporter. *may_withhold* returns whether
        brokers of a version have Optimize mode.
        """
        rules = [rule for each in selections for rule in each.rules()]
        missing = {
            rule.name.replace(".", ":")
            for rule in rules
            if rule.kind.intent not in SENT.get(rule.type.value_type, ())
        }
        self._events = sorted(missing)
        self._exporter_id = exporter_id
        self._may_withhold = may_withhold
        self._evidence: dict[Partition, Evidence] = {}
        self._withholding: set[Partition] = set()
        self._samples = all(
            rule.type.value_type != "PROCESS_INSTANCE" for rule in rules
        )
        """Whether process instances aren't selected, and only some are read."""
        self._turn = -1

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
        self._evidence.clear()

    def look(self, record: Record, tenant: str) -> None:
        """Learn from a *record* of *tenant*, selected or not."""
        # The usual case, in which no key is watched, must be fast.
        if not (record.intent in FIRST or self._evidence or self._withholding):
            return
        if self._events and record.recordType == "EVENT":
            self._learn((tenant, record.partitionId), record)

    def _learn(self, partition: Partition, record: Record) -> None:
        intent = record.intent
        if intent not in SENT.get(record.valueType, ()):
            self._sent_anyway(partition, record.valueType)
            return
        evidence = self._evidence.get(partition)
        if evidence is None:
            if intent not in FIRST or len(self._evidence) >= MOST_PARTITIONS:
                return
            evidence = self._evidence[partition] = Evidence()
        key, now = record.key, record.timestamp
        if intent not in FIRST:
            evidence.went_on.update(evidence.begun.keys() & {key})
        elif len(evidence.begun) < MOST_KEYS:
            evidence.begun.setdefault(key, now)
        if (
            partition not in self._withholding
            and evidence.suffices(now)
            and self._may_withhold(record.broker)
        ):
            self._toggle(partition)

    def _sent_anyway(self, partition: Partition, value_type: str) -> None:
        """Learn that the broker sent an intent that Optimize mode would withhold."""
        self._evidence.pop(partition, None)
        if self._samples and value_type == "PROCESS_INSTANCE":
            self._skip()
        if partition in self._withholding:
            self._toggle(partition)

    def _toggle(self, partition: Partition) -> None:
        before = self.report()
        self._withholding ^= {partition}
        after = self.report()
        if after is None:
            log.info("the broker withholds no events any more")
        elif after != before:
            fields = {name: after[name] for name in ("reason", "remedy")}
            log.error("the broker withholds events that are selected", extra=fields)

    def report(self) -> Report | None:
        """Return the withheld events, the reason and a remedy, or None."""
        if not self._withholding:
            return None
        name = self._exporter_id.upper()
        tenants = sorted({tenant for tenant, _ in self._withholding})
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
