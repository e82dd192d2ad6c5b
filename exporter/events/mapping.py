"""Map selected records to events with an encoded body."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from exporter.base import codec
from exporter.events.event import DEFAULT_TENANT, NO_INSTANCE, ONLY_BACKEND, Event
from exporter.events.index import tenant_in, tenant_reader
from exporter.events.record import Record, UnmappableError, Value
from exporter.events.selection import Rule, Selection

INSTANCES = b"_process-instance_"

Reader = Callable[[Record, Value], Any]


class Watch(Protocol):
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
        watch: Watch | None = None,
    ) -> None:
        """
        Map the records of *selections*, which are named by backend.

        Without selections, one backend gets the events of the official exporter. The
        fields in *dropped* are left out. *watch* sees every record that is read.
        """
        self._selections = selections or {ONLY_BACKEND: Selection()}
        self._watching = {
            name: selection
            for name, selection in self._selections.items()
            if selection.may_lose
        }
        self._dropped = frozenset(dropped)
        self._watch = watch
        self._inner = [name.split(".", 1) for name in dropped if "." in name]
        self._readers: dict[str, list[tuple[str, Reader]]] = {}
        self._tenant_of = tenant_reader(
            value_type
            for selection in self._selections.values()
            for value_type in selection.value_types
        )

    def tenant_of(self, index: bytes) -> str | None:
        """Return the physical tenant of an *index*, or None if it isn't selected."""
        tenant = self._tenant_of(index)
        if tenant is not None or INSTANCES not in index or not self._watch:
            return tenant
        return tenant_in(index) if self._watch.wants_instance() else None

    def event(self, line: bytes, tenant: str = DEFAULT_TENANT) -> Event | None:
        """
        Return the event for the record in *line*, or None if no backend selects it.

        Raises `UnmappableError` if the record can't be read or mapped.
        """
        record = Record(line)
        if self._watch:
            self._watch.look(record, tenant)
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
            return None
        value = record.value
        try:
            body = codec.encode(self._body(rule, record, value))
        except (ValueError, OverflowError) as error:
            raise UnmappableError(f"it can't be encoded: {error}") from error
        return Event(
            partition=record.number("partitionId", least=1),
            position=record.number("position", least=0),
            timestamp=record.number("timestamp", least=0),
            key=record.number("key"),
            instance=value.number("processInstanceKey", NO_INSTANCE),
            body=body,
            kind=rule.name,
            broker=record.broker_version,
            tenant=tenant,
            backends=tuple(selected),
            watchers=tuple(watched),
        )

    def _body(self, rule: Rule, record: Record, value: Value) -> dict[str, Any]:
        readers = self._readers.get(rule.name)
        if readers is None:
            readers = [
                (field.name, field.read)
                for field in rule.type.fields_of(rule.kind)
                if field.name not in self._dropped
            ]
            self._readers[rule.name] = readers
        body = {name: read(record, value) for name, read in readers}
        for name, inner in self._inner:
            if name in body:
                body[name] = {key: x for key, x in body[name].items() if key != inner}
        return body
