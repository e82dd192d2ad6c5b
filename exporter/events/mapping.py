"""Map selected records to events with an encoded body."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from exporter.base import codec
from exporter.events.event import DEFAULT_TENANT, NO_INSTANCE, ONLY_BACKEND, Event
from exporter.events.index import in_index, read_index
from exporter.events.record import Record, Value
from exporter.events.selection import Rule, Selection

INSTANCES = "process-instance"
LONGEST_INDEX_NAME = 255  # bytes, the limit of Elasticsearch
MOST_TYPES = 1000
"""Brokers have about 70 value types."""

Reader = tuple[str, Callable[[Any, str], Any], bool, str]
"""The name of a field, its reader, and its place in the record."""


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
        self._dropped = frozenset(dropped)
        self._inner = [name.split(".", 1) for name in dropped if "." in name]
        self._observer = observer
        self._readers: dict[str, list[Reader]] = {}
        self._wanted = {
            in_index(value_type)
            for selection in self._selections.values()
            for value_type in selection.value_types
        }
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
        record = Record(line)
        if self._observer:
            self._observer.look(record, tenant)
        selected = {
            name: rule
            for name, selection in self._selections.items()
            if (rule := selection.of(record))
        }
        watched = {
            name: rule
            for name, selection in self._watching.items()
            if (rule := selection.watched(record))
        }
        # All backends see a record as the same kind.
        rule = next(iter([*selected.values(), *watched.values()]), None)
        if rule is None:
            self._learn(record)
            return None
        value = record.value
        return Event(
            partition=record.number("partitionId", least=1),
            position=record.number("position", least=0),
            timestamp=record.number("timestamp", least=0),
            key=record.number("key"),
            instance=value.number("processInstanceKey", NO_INSTANCE),
            body=codec.encode(self._body(rule, record, value)),
            kind=rule.name,
            broker=record.broker_version,
            tenant=tenant,
            backends=tuple(selected),
            watchers=tuple(watched),
        )

    def _learn(self, record: Record) -> None:
        """Skip further records of an unwanted type, by the names of their indices."""
        # No list of types: an index that a newer broker names in another way is read.
        value_type = in_index(record.word("valueType"))
        is_wanted = not value_type or value_type in self._wanted
        if not is_wanted and len(self._unwanted) < MOST_TYPES:
            self._unwanted.add(value_type)

    def _body(self, rule: Rule, record: Record, value: Value) -> dict[str, Any]:
        readers = self._readers.get(rule.name)
        if readers is None:
            fields = rule.type.fields_of(rule.kind)
            readers = self._readers[rule.name] = [
                (each.name, each.read, *each.place)
                for each in fields
                if each.name not in self._dropped
            ]
        body = {
            name: read(value if inside else record, source)
            for name, read, inside, source in readers
        }
        for name, inner in self._inner:
            if name in body:
                body[name] = {key: x for key, x in body[name].items() if key != inner}
        return body
