"""
Whether a broker's exporter withholds events that are selected: its Optimize mode.

Pure. In that mode, which is on by default from 8.10 on, it sends a user task's CREATING
and not its CREATED, an element's ELEMENT_ACTIVATING and not its ELEMENT_ACTIVATED. That
alone proves little, because CREATED may wait for a listener's job: some keys must have
gone on afterwards, or an hour must have passed. It sends process instances whether or
not they are selected, and their first elements go on at once: so it looks at some.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from exporter.distribution.broker_environment import OPTIMIZING, parse_version
from exporter.distribution.wiring import exporter_id
from exporter.errors import ConfigError
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
"""The intents that are sent in that mode; any other shows that it's off."""
FIRST = {"CREATING", "ELEMENT_ACTIVATING"}

ENOUGH = 5
"""Keys, until it's no accident."""
LONG_MS = 60 * 60 * 1000
"""Of the engine's time."""
MOST_KEYS, MOST_STREAMS = 1000, 1000
LOOKED, SKIPPED = 1000, 10_000
"""Of records that nobody selects: so many are looked at, then so many are not."""

Told = dict[str, Any]
Name = tuple[str, int]
"""A physical tenant and a partition."""


class Withheld:
    """Looks at every record that may be selected, and at some others."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._events: list[str] = []
        self._say: Callable[[Told | None], None] = lambda _: None
        self._begun: dict[Name, dict[int, int]] = {}
        """When keys had their first intent, in milliseconds of the engine's time."""
        self._proven: dict[Name, set[int]] = defaultdict(set)
        self._showing: set[Name] = set()
        self._some = True
        """Whether nobody selects process instances, and only some are looked at."""
        self._turn = -1

    def watch(
        self, selections: Iterable[Selection], say: Callable[[Told | None], None]
    ) -> None:
        """Watch what *selections* may miss; *say* what is `told` when it changes."""
        self._say = say
        rules = [rule for each in selections for rule in each.rules()]
        missing = {
            rule.name.replace(".", ":")
            for rule in rules
            if rule.kind.intent not in SENT.get(rule.type.value_type, ())
        }
        self._events = sorted(missing)
        self._some = "PROCESS_INSTANCE" not in {rule.type.value_type for rule in rules}

    def wants_instance(self) -> bool:
        """Whether to look at a record of a process instance that nobody selects."""
        if not self._events:
            return False
        self._turn = (self._turn + 1) % (LOOKED + SKIPPED)
        if self._turn == LOOKED:
            self._skip()
        return self._turn < LOOKED

    def _skip(self) -> None:
        """Look at no more of them for a while, and forget what would have gaps."""
        self._turn = LOOKED
        self._begun.clear()
        self._proven.clear()

    def look(self, record: Record, tenant: str) -> None:
        """Learn of a *record* of *tenant*, whether it's selected or not."""
        try:
            intent = record.word("intent")
            # Most of the time nothing has begun that isn't over, and this costs little.
            if not (intent in FIRST or self._begun or self._showing):
                return
            if self._events and record.word("recordType") == "EVENT":
                self._learn((tenant, record.number("partitionId")), intent, record)
        except UnmappableError:
            pass  # what becomes of such a record is decided elsewhere

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
        if name not in self._showing and self._shows(name, now, record.written_by):
            self._turn_round(name)

    def _is_sent(self, name: Name, value_type: str) -> None:
        """Learn that what Optimize mode withholds was sent."""
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
        return is_proven and _may_withhold(version)

    def _turn_round(self, name: Name) -> None:
        before = self.told()
        self._showing ^= {name}
        if (after := self.told()) != before:
            self._say(after)

    def told(self) -> Told | None:
        """Return what is withheld, why, and what to do; None when nothing is."""
        if not self._showing:
            return None
        name, tenants = exporter_id().upper(), sorted({x for x, _ in self._showing})
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


def _may_withhold(version: str) -> bool:
    """Whether brokers of this *version* have that mode; an unknown one may."""
    try:
        return parse_version(version) >= OPTIMIZING
    except ConfigError:
        return True
