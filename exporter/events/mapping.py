"""
Record to event: what somebody selects becomes a body of bytes, encoded once.

Pure on purpose: no clock, no I/O, no settings.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from exporter.base import codec
from exporter.events.event import DEFAULT_TENANT, NO_INSTANCE, ONLY_BACKEND, Event
from exporter.events.index import reader, tenant_in
from exporter.events.record import Record, UnmappableError, Value
from exporter.events.selection import Rule, Selection

INSTANCES = b"_process-instance_"

Reader = Callable[[Record, Value], Any]


class Watch(Protocol):
    """A part that sees records before they are selected."""

    def wants_instance(self) -> bool:
        """Whether to look at a record of a process instance that nobody selects."""

    def look(self, record: Record, tenant: str) -> None:
        """Learn of a *record* of *tenant*."""


class Mapper:
    """Maps what any backend selects."""

    def __init__(
        self,
        selections: Mapping[str, Selection] | None = None,
        dropped: Collection[str] = (),
        watch: Watch | None = None,
    ) -> None:
        """
        Map what one of *selections* selects, each of the backend of its name.

        Without any, there is one backend that gets what the official exporter sends.
        What is *dropped* is named as `exporter.events.dropping` says. Every record that
        is read is shown to *watch*.
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
        self._tenant_of = reader(
            value_type
            for selection in self._selections.values()
            for value_type in selection.value_types
        )

    def tenant_of(self, index: bytes) -> str | None:
        """Return whose records an *index* of this name holds; None: unwanted."""
        tenant = self._tenant_of(index)
        if tenant is not None or INSTANCES not in index or not self._watch:
            return tenant
        return tenant_in(index) if self._watch.wants_instance() else None

    def event(self, line: bytes, tenant: str = DEFAULT_TENANT) -> Event | None:
        """
        Return *tenant*'s event for the record in *line*; None when nobody selects it.

        Raises `UnmappableError` for what can't be read or mapped.
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
        # A record is of one kind for all of them.
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
        body = {name: read(record, value) for name, read in self._readers_of(rule)}
        for name, inner in self._inner:
            if name in body:
                body[name] = {key: x for key, x in body[name].items() if key != inner}
        return body

    def _readers_of(self, rule: Rule) -> list[tuple[str, Reader]]:
        """Return what reads the fields of what *rule* selects."""
        readers = self._readers.get(rule.name)
        if readers is None:
            readers = [
                (field.name, field.read)
                for field in rule.type.fields_of(rule.kind)
                if field.name not in self._dropped
            ]
            self._readers[rule.name] = readers
        return readers
