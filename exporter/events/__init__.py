"""Record to event: selection and mapping. Pure: no I/O, no clock, no settings."""

from exporter.events.event import Event
from exporter.events.record import UnmappableError
from exporter.events.selection import may_be_wanted, to_event

__all__ = ["Event", "UnmappableError", "may_be_wanted", "to_event"]
