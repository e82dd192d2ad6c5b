"""Map selected records to events with an encoded body."""

from collections.abc import Collection, Mapping
from typing import Protocol

from exporter.events.body import encoder
from exporter.events.catalog import READERS
from exporter.events.event import DEFAULT_TENANT, ONLY_BACKEND, Event
from exporter.events.index import in_index, read_index
from exporter.events.record import Record, read
from exporter.events.selection import Selection

INSTANCES = "process-instance"
LONGEST_INDEX_NAME = 255  # bytes, the limit of Elasticsearch
MOST_TYPES = 1000
"""Brokers have about 70 value types."""


class Observer(Protocol):
    """An object that sees records before they are selected."""

    def wants_instance(self) -> bool:
        """Return whether to read the next unselected record of a process instance."""

    def look(self, record: Record, tenant: str) -> None:
        """Note a *record* of *tenant*."""


class Mapper:
    """A mapper from records to events, for all backends."""

    def __init__(
        self,
        selections: Mapping[str, Selection] | None = None,
        dropped: Collection[str] = (),
        observer: Observer | None = None,
    ) -> None:
        """
        Map the records of *selections*, which are named by backend.

        Without selections, one backend gets the events of the official exporter. The
        fields in *dropped* are left out. *observer* sees every record that is read.
        """
        self._selections = selections or {ONLY_BACKEND: Selection()}
        self._watching = {
            name: selection
            for name, selection in self._selections.items()
            if selection.may_lose
        }
        self._observer = observer
        rules = [rule for each in self._selections.values() for rule in each.rules()]
        self._encoders = {
            rule.name: encoder(rule.type.fields_of(rule.kind), dropped)
            for rule in rules
        }
        self._readers = {
            (rule.type.value_type, rule.kind.intent): READERS[rule.type.value_type]
            for rule in rules
        }
        self._wanted = {in_index(value_type) for value_type, _ in self._readers}
        self._unwanted: set[str] = set()
        """Value types of records that were read and not selected."""

    def tenant_of(self, index: bytes) -> str | None:
        """Return the physical tenant of an *index*, or None if it isn't selected."""
        if len(index) > LONGEST_INDEX_NAME:
            return DEFAULT_TENANT
        value_type, tenant = read_index(index)
        if value_type not in self._unwanted:
            return tenant
        if value_type == INSTANCES and self._observer:
            return tenant if self._observer.wants_instance() else None
        return None

    def event(self, line: bytes, tenant: str = DEFAULT_TENANT) -> Event | None:
        """
        Return the event for the record in *line*, or None if no backend selects it.

        Raises `UnmappableError` if the record can't be read or mapped.
        """
        record = read(line)
        if self._observer:
            self._observer.look(record, tenant)
        read_value = self._readers.get((record.valueType, record.intent))
        if read_value is None or record.recordType != "EVENT":
            self._skip(record)
            return None
        value = record.value = read_value(record.value)
        rule = None  # all backends see a record as the same kind
        selected, watched = [], []
        for name, selection in self._selections.items():
            if found := selection.of(record):
                rule = found
                selected.append(name)
        for name, selection in self._watching.items():
            if found := selection.watched(record):
                rule = found
                watched.append(name)
        if rule is None:
            return None
        return Event(
            partition=record.partitionId,
            position=record.position,
            timestamp=record.timestamp,
            key=record.key,
            instance=value.processInstanceKey,
            body=self._encoders[rule.name](record, value),
            kind=rule.name,
            broker=record.broker,
            tenant=tenant,
            backends=tuple(selected),
            watchers=tuple(watched),
        )

    def _skip(self, record: Record) -> None:
        """Skip further records of an unwanted type, by the names of their indices."""
        # No list of types: an index that a newer broker names in another way is read.
        value_type = in_index(record.valueType)
        is_wanted = not value_type or value_type in self._wanted
        if not is_wanted and len(self._unwanted) < MOST_TYPES:
            self._unwanted.add(value_type)
