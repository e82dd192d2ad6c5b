"""Read the value type and the physical tenant of records from the name of an index."""

from functools import lru_cache
from urllib.parse import quote

from exporter.events.event import DEFAULT_TENANT

PREFIX = b"zeebe-record"
"""The exporters' default prefix; a dash and a physical tenant may follow."""


@lru_cache(maxsize=4096)  # there are dozens of indices, and new ones every day
def read_index(index: bytes) -> tuple[str, str]:
    """
    Return the value type, in the spelling of indices, and the tenant.

    An index is named `<prefix>_<value type>_<version>_<date>`; the value type is empty
    if the name has another form. The tenant is `default` unless the prefix is the
    default one with a dash and a name.
    """
    prefix, *parts = index.decode(errors="replace").split("_")
    other, _, tenant = prefix.partition(f"{PREFIX.decode()}-")
    if other or not tenant:
        tenant = DEFAULT_TENANT
    # Quoted, because a comma separates identities, and headers are ASCII.
    return parts[0] if len(parts) == 3 else "", quote(tenant, safe="")


def in_index(value_type: str) -> str:
    """Return a *value_type* of the engine in the spelling of indices."""
    return value_type.lower().replace("_", "-")
