"""Record to event: selection, mapping, formats. Pure: no I/O, no clock, no settings."""

from exporter.events.catalog import CATALOG, DEFAULT, ENDS, EVERYTHING
from exporter.events.dropping import dropped_in
from exporter.events.event import DEFAULT_TENANT, ONLY_BACKEND, Event, Lane
from exporter.events.filters import FORM as FILTER_FORM
from exporter.events.filters import Filter, Filters
from exporter.events.formats import FORMATS, Format
from exporter.events.grammar import FORM as SELECTION_FORM
from exporter.events.mapping import Mapper
from exporter.events.record import UnmappableError
from exporter.events.selection import Selection
from exporter.events.written import SelectionError

__all__ = [
    "CATALOG",
    "DEFAULT",
    "DEFAULT_TENANT",
    "ENDS",
    "EVERYTHING",
    "FILTER_FORM",
    "FORMATS",
    "ONLY_BACKEND",
    "SELECTION_FORM",
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
