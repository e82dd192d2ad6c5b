"""
Translate the variables of the official Java exporter into our settings.

Pure: variables in, variables out. A user of the official exporter changes the image and
nothing else. Settings in YAML files are not translated.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.base.errors import ConfigError
from exporter.broker.environment import EXPORTER_ID
from exporter.config.connector import not_ours
from exporter.config.declaration import PREFIX
from exporter.config.variables import IGNORED

OFFICIAL = "io.camunda.exporter.appint.AppIntegrationsExporter"

# The official chart sets this variable even if the exporter isn't used.
CHART_API_KEY = "VALUES_EXPORTERS_APPINTEGRATIONS_APIKEY"

VARIABLE = re.compile(
    "(?:ZEEBE_BROKER|CAMUNDA_DATA|(?P<tenant>CAMUNDA_PHYSICALTENANTS_[A-Z0-9]+_DATA))"
    r"_EXPORTERS_(?P<id>[A-Z0-9]+)_(?P<rest>CLASS_?NAME|JAR_?PATH|ARGS_\w+)",
    re.IGNORECASE,
)

TRANSLATED = """
    URL API_KEY CLUSTER_ID REQUEST_TIMEOUT_MS BATCH_SIZE BATCH_INTERVAL_MS
    MAX_BATCHES_IN_FLIGHT CONTINUE_ON_ERROR MAX_RETRIES RETRY_DELAY_MS
    OAUTH_CLIENT_ID OAUTH_CLIENT_SECRET OAUTH_AUDIENCE OAUTH_SCOPE OAUTH_RESOURCE
    OAUTH_AUTHORIZATION_SERVER_URL OAUTH_CONNECT_TIMEOUT_MS OAUTH_READ_TIMEOUT_MS
"""
SETTINGS = {
    f"ARGS_{name.replace('_', '').replace('OAUTH', 'OAUTH_')}": name
    for name in TRANSLATED.split()
}
"""Our settings by the official exporter's arguments, as variables spell them."""


@dataclass(frozen=True)
class Takeover:
    """The configuration of the official exporter, as settings of ours."""

    exporter_id: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def official_ids(environ: Mapping[str, str]) -> set[str]:
    """Return the ids, in capitals, of the official exporters in *environ*."""
    return {
        found["id"].upper()
        for name, value in environ.items()
        if (found := VARIABLE.fullmatch(name))
        and found["rest"].upper().replace("_", "") == "CLASSNAME"
        and value.strip() == OFFICIAL
    }


def exporter_id() -> str:
    """Return our id in the broker: that of the official exporter, if there is one."""
    ids = official_ids(os.environ)
    return (ids.pop() if len(ids) == 1 else EXPORTER_ID).lower()


def shared_ids(environ: Mapping[str, str]) -> set[str]:
    """Return the ids, in capitals, of exporters that don't belong to one tenant."""
    found = (VARIABLE.fullmatch(name) for name in environ)
    return {each["id"].upper() for each in found if each and not each["tenant"]}


def without(environ: Mapping[str, str], ids: Iterable[str]) -> dict[str, str]:
    """Return *environ* without the variables of the exporters *ids*."""
    gone = {each.upper() for each in ids}
    return {
        name: value
        for name, value in environ.items()
        if not ((found := VARIABLE.fullmatch(name)) and found["id"].upper() in gone)
    }


def take_over(environ: Mapping[str, str]) -> Takeover:
    """Translate the official exporter's variables; settings of ours take precedence."""
    ids = sorted(official_ids(environ))
    if len(ids) > 1:
        raise ConfigError(
            f"{' and '.join(ids)} are both {OFFICIAL}", remedy="Keep one of them"
        )
    taken = Takeover(ids[0] if ids else None)
    # If both forms are set, the broker uses that of 8.8, so it comes last here.
    for variable in sorted(environ, key=lambda name: (name[:1].upper() != "Z", name)):
        found, value = VARIABLE.fullmatch(variable), environ[variable].strip()
        if not (found and found["id"].upper() in ids):
            continue
        argument = found["rest"].upper()
        if not argument.startswith("ARGS_"):
            continue
        name = SETTINGS.get(argument, "")
        if why := _why_ignored(environ, found, name):
            taken.notices.append(f"{variable} has no effect: {why}")
        elif value:
            taken.settings[PREFIX + name] = value
    key = environ.get(CHART_API_KEY, "").strip()
    if key and not any(
        PREFIX + name in taken.settings or _is_set(environ, name)
        for name in ("API_KEY", "OAUTH_CLIENT_ID")
    ):
        taken.settings[f"{PREFIX}API_KEY"] = key
    return taken


def _why_ignored(environ: Mapping[str, str], found: re.Match[str], name: str) -> str:
    """Return why an argument has no effect on our setting *name*, or ""."""
    if found["tenant"]:
        return "all tenants have one backend"
    if not name:
        return "the argument isn't known"
    set_by_us = f"{PREFIX}{name} is set" if _is_set(environ, name) else ""
    return IGNORED.get(PREFIX + name, set_by_us)


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    ours = {PREFIX + name, f"{PREFIX}{name}_FILE"}.difference(not_ours(environ))
    return any(environ.get(each) for each in ours)
