"""
Decide what broker and exporter of one container are told.

Variables in, variables out: nothing is started here. The exporter gets what the
environment says in any of the forms that are understood; the broker gets one exporter
more, and none of our settings.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.base.errors import ConfigError
from exporter.broker import takeover, tenants
from exporter.broker.environment import (
    EXPORTER_ID,
    WITH_TENANTS,
    exporting,
    parse_version,
)
from exporter.bundle.home import SPOOL, Home, find, version_of
from exporter.config import settings
from exporter.config.declaration import PREFIX
from exporter.config.settings import Settings, SettingsError

# `restore` refuses to fill a directory that isn't empty, but for what this names.
RESTORE_IGNORES = "ZEEBE_RESTORE_IGNOREFILESINTARGET"
RESTORE_IGNORED = "lost+found"


@dataclass(frozen=True)
class Wiring:
    """Who is told what."""

    broker: dict[str, str]
    exporter: dict[str, str]
    settings: Settings
    notices: list[str]
    tenants: list[str]
    """The physical tenants that export; none where the broker isn't told of any."""


def alone(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a broker that must do without the exporter."""
    official = takeover.official_ids(environ)
    foreign = takeover.without(environ, official)
    # A broker doesn't start with a tenant that has what isn't configured.
    gone = {*official, EXPORTER_ID} - takeover.shared_ids(foreign)
    foreign = tenants.unassign(takeover.without(foreign, gone), gone)
    return {
        name: value for name, value in foreign.items() if not name.startswith(PREFIX)
    }


def ours(environ: Mapping[str, str], home: Home | None) -> dict[str, str]:
    """Return *environ* with every setting in our form, and the spool by the data."""
    return _in_our_form(environ, home, takeover.take_over(environ))


def _in_our_form(
    environ: Mapping[str, str], home: Home | None, told: takeover.Takeover
) -> dict[str, str]:
    rest = takeover.without(environ, takeover.official_ids(environ))
    if home:
        rest = {f"{PREFIX}SPOOL_DIR": str(home.data / SPOOL)} | rest
    return rest | told.settings


def wire(environ: Mapping[str, str]) -> Wiring:
    """
    Return who is told what.

    Raises `SettingsError` with every mistake there is. The process's own environment
    becomes the exporter's: that is where settings are read.
    """
    home = find(environ)
    mistakes: list[str] = []
    version, told = "", takeover.Takeover()
    try:
        version = version_of(home)
    except ConfigError as error:
        mistakes.append(str(error))
    try:
        told = takeover.take_over(environ)
    except ConfigError as error:
        mistakes.append(str(error))
    exporter = _in_our_form(environ, home, told)
    os.environ.clear()
    os.environ.update(exporter)
    try:
        loaded = settings.load()
    except SettingsError as error:
        raise SettingsError(mistakes + error.mistakes) from error
    if mistakes or home is None:  # without a home there is a mistake
        raise SettingsError(mistakes)
    name = told.exporter_id or EXPORTER_ID
    try:
        added = exporting(version, loaded, name=name)
    except ConfigError as error:
        raise SettingsError([str(error)]) from error
    others = alone(environ)
    kept = takeover.without(others, [name])
    ids = tenants.named_in(environ) if parse_version(version) >= WITH_TENANTS else []
    prefixes = tenants.prefixes(ids, name)
    # An id with a dash isn't known here; the prefix that somebody set says it.
    added |= prefixes | {each: environ[each] for each in prefixes if each in environ}
    notices = told.notices + [
        f"{variable} has no effect: the exporter {name} is ours to configure"
        for variable in sorted(others.keys() - kept.keys())
        if added.get(variable) != others[variable]
    ]
    usual = sorted(map(str.lower, takeover.shared_ids(kept)))
    broker = tenants.assign(kept | added, ids, name, usual)
    ignored = _restore_ignores(environ, home, loaded.spool_dir)
    return Wiring(broker | ignored, exporter, loaded, notices, ids)


def _restore_ignores(
    environ: Mapping[str, str], home: Home, spool: Path
) -> dict[str, str]:
    """Return what lets a backup be restored beside a spool in the broker's data."""
    if not spool.absolute().is_relative_to(home.data):
        return {}
    folder = spool.absolute().relative_to(home.data).parts[:1]
    others = environ.get(RESTORE_IGNORES) or RESTORE_IGNORED
    return {RESTORE_IGNORES: ",".join([others, *folder])}
