"""
The variables that make each physical tenant of a broker (8.10 and later) export to us.

Pure. A tenant runs the exporters in its list. If there are tenants, each of them needs
a list, including `default`, or the broker doesn't start. Each tenant has a partition 1,
and no record names its tenant, so each tenant gets its own index prefix.
"""

import re
from collections.abc import Iterable, Mapping

from exporter.base.errors import ConfigError
from exporter.events import DEFAULT_TENANT as DEFAULT
from exporter.events.index import PREFIX

VARIABLE = re.compile(r"CAMUNDA_PHYSICALTENANTS_([A-Z0-9]+)_(\w+)", re.IGNORECASE)
LIST = re.compile(r"DATA_EXPORTERSASSIGNED(_[0-9]+)?", re.IGNORECASE)
SPELLABLE = re.compile("[a-z0-9]+")


def named_in(environ: Mapping[str, str]) -> list[str]:
    """Return the ids of the tenants in *environ*, with `default` if there are any."""
    found = (VARIABLE.fullmatch(name) for name in environ)
    ids = {each[1].lower() for each in found if each}
    return sorted(ids | {DEFAULT}) if ids else []


def checked(ids: Iterable[str]) -> list[str]:
    """Return *ids* with `default`; raise `ConfigError` if variables can't spell one."""
    for each in ids:
        if not SPELLABLE.fullmatch(each):
            raise ConfigError(
                f"The physical tenant {each!r} can't be configured by variables: their "
                "names have no dashes, and ignore case",
                remedy="Configure this tenant in YAML, as shown in docs/broker.md, "
                "Physical tenants",
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
    usual: Iterable[str] = (),
) -> dict[str, str]:
    """
    Return *environ* with *exporter_id* in the list of each of *tenants*.

    Without a list, `default` ran all *usual* exporters, and so its new list has them.
    """
    result = dict(environ)
    for tenant in tenants:
        listed = _listed(environ, tenant)
        if listed is None:
            listed = [*usual] if tenant == DEFAULT else []
        if exporter_id.lower() not in map(str.lower, listed):
            listed.append(exporter_id.lower())
        result = _with_list(result, tenant, listed)
    return result


def unassign(environ: Mapping[str, str], exporter_ids: Iterable[str]) -> dict[str, str]:
    """Return *environ* with *exporter_ids* removed from the list of every tenant."""
    result, gone = dict(environ), {each.lower() for each in exporter_ids}
    for tenant in named_in(environ):
        listed = _listed(environ, tenant) or []
        left = [each for each in listed if each.lower() not in gone]
        if left != listed:
            result = _with_list(result, tenant, left)
    return result


def _listed(environ: Mapping[str, str], tenant: str) -> list[str] | None:
    """Return the exporters of *tenant*; None if it has no list."""
    # One variable has the whole list, or ..._0, ..._1 and so on have one entry each.
    texts = [environ[name] for name in environ if _is_list(name, tenant)]
    ids = [each.strip() for each in ",".join(texts).split(",")]
    return [*filter(None, ids)] if texts else None


def _with_list(
    environ: Mapping[str, str], tenant: str, exporter_ids: Iterable[str]
) -> dict[str, str]:
    name = f"CAMUNDA_PHYSICALTENANTS_{tenant.upper()}_DATA_EXPORTERSASSIGNED"
    others = {x: y for x, y in environ.items() if not _is_list(x, tenant)}
    return others | {name: ",".join(exporter_ids)}


def _is_list(name: str, tenant: str) -> bool:
    parts = VARIABLE.fullmatch(name)
    return bool(parts and parts[1].lower() == tenant and LIST.fullmatch(parts[2]))
