"""
The environments of the broker and the exporter in one container.

Variables in, variables out: nothing is started here. The exporter gets our settings,
translated if necessary. The broker gets one more exporter, and none of our settings.
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
from exporter.bundle.distribution import MISSING, SPOOL, Distribution, find
from exporter.config import settings
from exporter.config.declaration import PREFIX
from exporter.config.settings import Settings, SettingsError

# `restore` needs an empty directory, except for the names in this variable.
RESTORE_IGNORES = "ZEEBE_RESTORE_IGNOREFILESINTARGET"
RESTORE_IGNORED = "lost+found"


@dataclass(frozen=True)
class Wiring:
    """The environments of both, and what has to be logged."""

    broker: dict[str, str]
    exporter: dict[str, str]
    settings: Settings
    notices: list[str]


def without_exporter(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a broker without any exporter of ours."""
    gone = takeover.official_ids(environ)
    if EXPORTER_ID not in takeover.shared_ids(environ):
        # A broker doesn't start if a tenant lists an exporter that isn't configured.
        gone.add(EXPORTER_ID)
    foreign = tenants.unassign(takeover.without(environ, gone), gone)
    return {
        name: value for name, value in foreign.items() if not name.startswith(PREFIX)
    }


def with_our_settings(
    environ: Mapping[str, str],
    distribution: Distribution | None,
    taken: takeover.Takeover | None = None,
) -> dict[str, str]:
    """Return *environ* with our settings, and the spool in the broker's data."""
    taken = taken or takeover.take_over(environ)
    rest = takeover.without(environ, takeover.official_ids(environ))
    if distribution:
        rest = {f"{PREFIX}SPOOL_DIR": str(distribution.data / SPOOL)} | rest
    return rest | taken.settings


def wire(environ: Mapping[str, str]) -> Wiring:
    """
    Return both environments, or raise `SettingsError` with every mistake.

    The exporter's environment becomes that of this process, because the settings are
    read from there.
    """
    distribution = find(environ)
    mistakes = [] if distribution else [MISSING]
    taken = takeover.Takeover()
    try:
        taken = takeover.take_over(environ)
    except ConfigError as error:
        mistakes.append(str(error))
    exporter = with_our_settings(environ, distribution, taken)
    os.environ.clear()
    os.environ.update(exporter)
    try:
        loaded = settings.load()
    except SettingsError as error:
        raise SettingsError(mistakes + error.mistakes) from error
    if mistakes or distribution is None:  # without a distribution there is a mistake
        raise SettingsError(mistakes)
    version, name = distribution.version, taken.exporter_id or EXPORTER_ID
    try:
        added = exporting(version, loaded, name=name)
    except ConfigError as error:
        raise SettingsError([str(error)]) from error
    others = without_exporter(environ)
    kept = takeover.without(others, [name])
    ids = tenants.named_in(environ) if parse_version(version) >= WITH_TENANTS else []
    prefixes = tenants.prefixes(ids, name)
    # Variables can't spell a tenant's id with a dash, so a prefix that is set stays.
    added |= prefixes | {each: environ[each] for each in prefixes if each in environ}
    notices = taken.notices + [
        f"{variable} has no effect: we configure the exporter {name}"
        for variable in sorted(others.keys() - kept.keys())
        if added.get(variable) != others[variable]
    ]
    usual = sorted(map(str.lower, takeover.shared_ids(kept)))
    broker = tenants.assign(kept | added, ids, name, usual)
    ignored = _restore_ignores(environ, distribution, loaded.spool_dir)
    return Wiring(broker | ignored, exporter, loaded, notices)


def _restore_ignores(
    environ: Mapping[str, str], distribution: Distribution, spool: Path
) -> dict[str, str]:
    """Let a backup be restored although the spool is in the broker's data."""
    if not spool.absolute().is_relative_to(distribution.data):
        return {}
    folder = spool.absolute().relative_to(distribution.data).parts[:1]
    others = environ.get(RESTORE_IGNORES) or RESTORE_IGNORED
    return {RESTORE_IGNORES: ",".join([others, *folder])}
