"""Example events for docs and schemas, made from records of real engines."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from exporter.events import EVERYTHING, Event, Mapper, Selection

ROOT = Path(__file__).parents[1]
DATA = (ROOT / "devkit" / "recordings", ROOT / "tests" / "data")
VERSIONS = ("8.6.0", "8.8.21")
# For steps, use the default selection, without the elements that need brackets.
SHOWN = EVERYTHING.replace("step[*]", "step")
NOTHING: tuple[Any, ...] = ("", "-1", [], {}, "UNSPECIFIED")


def recorded(version: str, selection: str = EVERYTHING) -> list[Event]:
    """Return the events that *selection* makes of the records of *version*."""
    mapper = Mapper({"": Selection(selection)})
    lines = [
        line
        for path in sorted(
            (path for place in DATA for path in place.glob(f"{version}/*")),
            key=lambda path: path.name,
        )
        for line in path.read_bytes().splitlines()
    ]
    return [event for line in lines if (event := mapper.event(line))]


def examples() -> dict[str, dict[str, Event]]:
    """Return the event with the most set fields, by kind and version, newest first."""
    found: dict[str, dict[str, Event]] = defaultdict(dict)
    for version in reversed(VERSIONS):
        for event in recorded(version, SHOWN):
            best = found[event.kind].setdefault(version, event)
            if _shows(event) > _shows(best):
                found[event.kind][version] = event
    return dict(found)


def body_of(event: Event) -> Any:
    """Return the body of *event*, decoded."""
    return json.loads(event.body)


def _shows(event: Event) -> int:
    """Return the number of fields of *event* that aren't empty."""
    return sum(value not in NOTHING for value in body_of(event).values())
