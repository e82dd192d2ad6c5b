"""Ways to damage the file of a spool."""

import os

from exporter.spool import Unreadable
from tests.unit.spools import an_event

PAGE = 4096


def large(position, **changes):
    """Return an event of which few fit on a page."""
    body = b'{"position":%d}' % position
    return an_event(position, body=body.ljust(700, b" "), **changes)


def kept_aside(number):
    """Return a record that becomes a dead letter."""
    return Unreadable("no JSON", f"1-{number}", b"{garbage %d" % number)


def page_of(file, text):
    """Return the number, from 0, of the last page of *file* that holds *text*."""
    return file.read_bytes().rindex(text) // PAGE


def overwrite(file, *pages):
    """Put garbage where *pages* are, counted from 0; leave the rest."""
    with file.open("r+b") as raw:
        for page in pages:
            raw.seek(page * PAGE)
            raw.write(os.urandom(PAGE))


def overwrite_event(file, position):
    """Put garbage where the event at *position* is, and a few others with it."""
    overwrite(file, page_of(file, b'{"position":%d}' % position))
