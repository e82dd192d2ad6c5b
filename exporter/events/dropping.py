"""
Which fields are left out of every event, because they are personal data, say.

A name without a dot is that of a field; one with a dot is of something in a field that
is an object, like `customHeaders.mail`.
"""

import re

from exporter.events.catalog import CATALOG
from exporter.events.fields import Form
from exporter.events.written import SelectionError, listed, meant

BLANK = re.compile(r"\s")
FIELDS = {
    field.name: field
    for each in CATALOG
    for kind in each.kinds
    for field in each.fields_of(kind)
}
"""Every field that some event has, by its name."""


def dropped_in(text: str) -> tuple[str, ...]:
    """
    Return the names that *text* lists, separated by commas.

    Raises `SelectionError` for one that no event has: who mistypes a name would
    believe that something is left out that isn't.
    """
    names = []
    for written, at in listed(text, "a name"):
        name, dot, inner = written.partition(".")
        if blank := BLANK.search(name):
            raise SelectionError(text, at + blank.start(), "a comma is missing")
        if name not in FIELDS:
            wrong = f"no event has a field {name}{meant(name, FIELDS)}"
            raise SelectionError(text, at, wrong)
        if dot and (not inner or inner[0].isspace() or inner[0] in "\"'"):
            raise SelectionError(text, at, f"a name in {name} is missing")
        if inner and FIELDS[name].form is not Form.OBJECT:
            raise SelectionError(text, at, f"{name} has nothing in it by a name")
        names.append(written)
    return tuple(names)
