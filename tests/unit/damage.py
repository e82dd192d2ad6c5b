"""Ways to damage the file of a spool."""

import os

from exporter.spool import Unreadable
from tests.unit.spools import an_event

PAGE = 4096


def large(position, **changes):
    """Return an event of which only a few fit on a page."""
    body = b'{"position":%d}' % position
    return an_event(position, body=body.ljust(700, b" "), **changes)


def unreadable_record(number):
    """Return a record that becomes a dead letter."""
    return Unreadable("no JSON", f"1-{number}", b"{garbage %d" % number)


def page_of(file, text):
    """Return the number of the last page of *file* with *text*, counted from 0."""
    return pages_of(file, text)[-1]


def pages_of(file, text, times=1):
    """Return the numbers of all pages of *file* that have *text* so many *times*."""
    content = file.read_bytes()
    pages = enumerate(content[at : at + PAGE] for at in range(0, len(content), PAGE))
    return [number for number, page in pages if page.count(text) >= times]


def overwrite(file, *pages):
    """Overwrite *pages*, counted from 0, with garbage."""
    with file.open("r+b") as raw:
        for page in pages:
            raw.seek(page * PAGE)
            raw.write(os.urandom(PAGE))


def overwrite_event(file, position):
    """Overwrite the page of the event at *position* with garbage."""
    overwrite(file, page_of(file, b'{"position":%d}' % position))


def mark(file):
    """Mark *file* as damaged, as a service does that finds damage."""
    file.with_name("damaged").write_text("test")


def changed(content, spots):
    """Return *content* with other bytes at *spots*: places, and what is there."""
    damaged = bytearray(content)
    for place, garbage in spots:
        at = place % len(content)
        damaged[at : at + len(garbage)] = garbage
    return damaged[: len(content)]
