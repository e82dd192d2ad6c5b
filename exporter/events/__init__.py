"""Turn records into events: selection, mapping, formats. No I/O, clock or settings."""

from exporter.events.catalog import CATALOG, DEFAULT, ENDS, EVERYTHING
from exporter.events.event import DEFAULT_TENANT, ONLY_BACKEND, Event, Lane
from exporter.events.filters import Filter, Filters, dropped_in
from exporter.events.formats import FORMATS, Format
from exporter.events.lists import SelectionError
from exporter.events.mapping import Mapper
from exporter.events.record import UnmappableError
from exporter.events.selection import Selection

__all__ = [
    "CATALOG",
    "DEFAULT",
    "DEFAULT_TENANT",
    "ENDS",
    "EVERYTHING",
    "FORMATS",
    "ONLY_BACKEND",
    "Event",
    "Filter",
    "Filters",
    "Format",
    "Lane",
    "Mapper",
    "Selection",
    "SelectionError",
    "UnmappableError",
    "dropped_in",
]
