"""
Which fields are left out of every event, because they are personal data, say.

A name without a dot is that of a field; one with a dot is of something in a field that
is an object, like `customHeaders.mail`.
"""

from exporter.events.catalog import CATALOG
from exporter.events.fields import Form
from exporter.events.written import listed, meant

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
    return tuple(listed(text, _name))


def _name(written: str) -> str:
    name, dot, inner = written.partition(".")
    if len(name.split()) > 1:
        raise ValueError("a comma is missing")
    if name not in FIELDS:
        raise ValueError(f"no event has a field {name}{meant(name, FIELDS)}")
    if dot and (not inner or inner[0].isspace() or inner[0] in "\"'"):
        raise ValueError(f"a name in {name} is missing")
    if inner and FIELDS[name].form is not Form.OBJECT:
        raise ValueError(f"{name} has nothing in it by a name")
    return written
