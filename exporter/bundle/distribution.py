"""The broker's distribution in this image: its directory and its version."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from exporter.base.errors import ConfigError

# Its directory in the official images, by the variable that names it.
DIRECTORIES = {"CAMUNDA_HOME": "/usr/local/camunda", "ZB_HOME": "/usr/local/zeebe"}

# The variables for another data directory: from 8.8 on, and up to 8.7.
DATA = ("CAMUNDA_DATA_PRIMARYSTORAGE_DIRECTORY", "ZEEBE_BROKER_DATA_DIRECTORY")

SPOOL = "app-integrations"
"""The spool's directory in the broker's data directory, on the same volume."""


class Distribution(NamedTuple):
    """A distribution and its data directory."""

    path: Path
    data: Path

    @property
    def command(self) -> list[str]:
        """The command that the official image starts by default."""
        startup = Path("/usr/local/bin/startup.sh")
        if startup.exists():
            return [str(startup)]
        names = [self.path / "bin" / name for name in ("camunda", "broker")]
        return [str(next((name for name in names if name.exists()), names[0]))]


def find(environ: Mapping[str, str]) -> Distribution | None:
    """Return the distribution on this machine, if there is one."""
    for variable, usual in DIRECTORIES.items():
        path = Path(environ.get(variable) or usual)
        if _is_directory(path / "lib"):
            named = (environ[name] for name in DATA if environ.get(name))
            return Distribution(path, path / next(named, "data"))
    return None


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no permission
        return False


def version_of(distribution: Distribution | None) -> str:
    """Return the version, which is in the name of every library of the broker."""
    if distribution is None:
        raise ConfigError(
            f"There is no Camunda distribution in {' or '.join(DIRECTORIES.values())}",
            remedy="Use an official camunda/camunda or camunda/zeebe image as the "
            "base, or set CAMUNDA_HOME to its directory",
        )
    for library in sorted(distribution.path.glob("lib/zeebe-broker-*.jar")):
        if found := re.fullmatch(r"zeebe-broker-(\d.*)\.jar", library.name):
            return found[1]
    raise ConfigError(
        f"{distribution.path}/lib holds no zeebe-broker-<version>.jar",
        remedy="Use an official camunda/camunda or camunda/zeebe image as the base",
    )
