"""
Whether a broker's exporter withholds events that are selected: its Optimize mode.

Pure. In that mode, which is on by default from 8.10 on, it sends a user task's CREATING
and not its CREATED, an element's ELEMENT_ACTIVATING and not its ELEMENT_ACTIVATED. That
alone proves little, because CREATED may wait for a listener's job: some keys must have
gone on afterwards, or an hour must have passed.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from exporter.distribution.broker_environment import OPTIMIZING, parse_version
from exporter.distribution.wiring import exporter_id
from exporter.errors import ConfigError
from exporter.events import DEFAULT_TENANT, Selection, UnmappableError
from exporter.events.record import Record

# By value type: what comes first, what is withheld after it, what proves it, and what
# else is sent.
SIGNS = {
    "USER_TASK": ("CREATING", "CREATED", {"ASSIGNED", "COMPLETED"}, {"CANCELED"}),
    "PROCESS_INSTANCE": (
        "ELEMENT_ACTIVATING",
        "ELEMENT_ACTIVATED",
        {"ELEMENT_COMPLETED"},
        {"ELEMENT_TERMINATED"},
    ),
}
ENOUGH = 5
"""Keys, until it's no accident."""
LONG_MS = 60 * 60 * 1000
"""Of the engine's time."""
MOST_KEYS, MOST_STREAMS = 1000, 1000

Told = dict[str, Any]
Name = tuple[str, int, str]
"""A physical tenant, a partition and a value type."""


class Stream(NamedTuple):
    """The records of one name, since nothing was withheld."""

    begun: dict[int, int]
    """When each key had its first intent, in milliseconds of the engine's time."""
    proven: set[int]

    def shows(self, now: int) -> bool:
        """Whether something is withheld, at the time *now* of the engine."""
        if len(self.begun) < ENOUGH:
            return False
        since = next(iter(self.begun.values()))
        return len(self.proven) >= ENOUGH or now - since > LONG_MS


class Withheld:
    """Looks at every record that may be selected."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._events: dict[str, set[str]] = {}
        self._say: Callable[[Told | None], None] = lambda _: None
        self._streams: dict[Name, Stream] = {}
        self._showing: set[Name] = set()

    def watch(
        self, selections: Iterable[Selection], say: Callable[[Told | None], None]
    ) -> None:
        """Watch what *selections* may miss; *say* what is `told` when it changes."""
        self._say = say
        for rule in (rule for each in selections for rule in each.rules()):
            value_type = rule.type.value_type
            _, _, *sent = SIGNS.get(value_type, ("", "", {rule.kind.intent}))
            if rule.kind.intent not in set().union(*sent):
                name = rule.name.replace(".", ":")
                self._events.setdefault(value_type, set()).add(name)

    def look(self, record: Record, tenant: str) -> None:
        """Learn of a *record* of *tenant*, whether it's selected or not."""
        try:
            value_type = record.word("valueType")
            if value_type in self._events and record.word("recordType") == "EVENT":
                name = tenant, record.number("partitionId"), value_type
                self._learn(name, record)
        except UnmappableError:
            pass  # what becomes of such a record is decided elsewhere

    def _learn(self, name: Name, record: Record) -> None:
        stream = self._streams.get(name)
        if stream is None:
            if len(self._streams) >= MOST_STREAMS:
                return
            stream = self._streams[name] = Stream({}, set())
        intent, key = record.word("intent"), record.number("key")
        now = record.number("timestamp")
        first, withheld, proofs, _ = SIGNS[name[2]]
        if intent == withheld:
            stream.begun.clear()
            stream.proven.clear()
        elif intent == first and len(stream.begun) < MOST_KEYS:
            stream.begun.setdefault(key, now)
        elif intent in proofs and key in stream.begun:
            stream.proven.add(key)
        # Records that come again are older: only what was withheld ends it.
        shows = bool(stream.begun) and (
            name in self._showing
            or (stream.shows(now) and _may_withhold(record.written_by))
        )
        if shows != (name in self._showing):
            before = self.told()
            self._showing ^= {name}
            if (after := self.told()) != before:
                self._say(after)

    def told(self) -> Told | None:
        """Return what is withheld, why, and what to do; None when nothing is."""
        if not self._showing:
            return None
        name = exporter_id().upper()
        tenants = sorted({tenant for tenant, _, _ in self._showing})
        types = {value_type for _, _, value_type in self._showing}
        events = sorted(set().union(*(self._events[each] for each in types)))
        of = f" of {', '.join(tenants)}" if tenants != [DEFAULT_TENANT] else ""
        return {
            "events": events,
            "physical_tenants": tenants,
            "reason": f"{', '.join(events)}{of} never arrives: the broker's exporter "
            f"{name} is in Optimize mode",
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
