"""
The variables that make each physical tenant of a broker (8.10 and later) export to us.

Pure on purpose. A tenant runs the exporters that its list names; once there are tenants
every one needs a list, `default` too, or the broker doesn't start. Each has a
partition 1, and no record names its tenant: the prefix of the index tells them apart.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from exporter.base.errors import ConfigError
from exporter.events import DEFAULT_TENANT as DEFAULT
from exporter.events.index import PREFIX

VARIABLE = re.compile(r"CAMUNDA_PHYSICALTENANTS_([A-Z0-9]+)_(\w+)", re.IGNORECASE)
LIST = re.compile(r"DATA_EXPORTERSASSIGNED(_[0-9]+)?", re.IGNORECASE)
SPELLABLE = re.compile("[a-z0-9]+")

Ids = list[str]


def named_in(environ: Mapping[str, str]) -> list[str]:
    """Return the ids of the tenants in *environ*: none, or `default` and others."""
    found = (VARIABLE.fullmatch(name) for name in environ)
    ids = {each[1].lower() for each in found if each}
    return sorted(ids | {DEFAULT}) if ids else []


def checked(ids: Iterable[str]) -> list[str]:
    """Return *ids* with `default`; raises `ConfigError` unless variables spell them."""
    for each in ids:
        if not SPELLABLE.fullmatch(each):
            raise ConfigError(
                f"No variable can name the physical tenant {each!r}: names of "
                "variables have no dashes, and their case doesn't count",
                remedy="Configure this tenant in YAML: docs/broker.md has the lines, "
                "at Physical tenants",
            )
    return sorted({*ids, DEFAULT})


def prefixes(tenants: Iterable[str], exporter_id: str) -> dict[str, str]:
    """Return the variables that give each of *tenants* its index prefix."""
    name = f"DATA_EXPORTERS_{exporter_id.upper()}_ARGS_INDEX_PREFIX"
    return {
        f"CAMUNDA_PHYSICALTENANTS_{each.upper()}_{name}": f"{PREFIX.decode()}-{each}"
        for each in tenants
        if each != DEFAULT
    }


def assign(
    environ: Mapping[str, str],
    tenants: Iterable[str],
    exporter_id: str,
    usual: Collection[str] = (),
) -> dict[str, str]:
    """
    Return *environ* with *exporter_id* in the list of each of *tenants*.

    Without a list, `default` has had all *usual* exporters, and keeps these.
    """
    name = exporter_id.lower()

    def added(tenant: str, ids: Ids | None) -> Ids:
        if ids is None:
            ids = [*usual] if tenant == DEFAULT else []
        return ids if name in map(str.lower, ids) else [*ids, name]

    return _relisted(environ, tenants, added)


def unassign(environ: Mapping[str, str], exporter_ids: Iterable[str]) -> dict[str, str]:
    """Return *environ* without any of *exporter_ids* in the list of a tenant."""
    gone = {each.lower() for each in exporter_ids}

    def without(_: str, ids: Ids | None) -> Ids | None:
        return ids and [each for each in ids if each.lower() not in gone]

    return _relisted(environ, named_in(environ), without)


def _relisted(
    environ: Mapping[str, str],
    tenants: Iterable[str],
    change: Callable[[str, Ids | None], Ids | None],
) -> dict[str, str]:
    """Return *environ* with the lists as *change* makes them."""
    result = dict(environ)
    for tenant in tenants:
        variables = _lists(environ, tenant)
        ids = [x.strip() for each in variables for x in environ[each].split(",")]
        before = [each for each in ids if each] if variables else None
        after = change(tenant, before)
        if after is not None and after != before:
            for each in variables:
                del result[each]
            name = f"CAMUNDA_PHYSICALTENANTS_{tenant.upper()}_DATA_EXPORTERSASSIGNED"
            result[name] = ",".join(after)
    return result


def _lists(environ: Mapping[str, str], tenant: str) -> list[str]:
    """Return the variables with the list of *tenant*: one, or one for each entry."""
    found = [
        name
        for name in environ
        if (parts := VARIABLE.fullmatch(name))
        and parts[1].lower() == tenant
        and LIST.fullmatch(parts[2])
    ]
    return sorted(found, key=lambda name: (len(name), name))
