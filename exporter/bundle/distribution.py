"""The broker's distribution in this image: its directory and its version."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Its directory in the official images, by the variable that names it.
DIRECTORIES = {"CAMUNDA_HOME": "/usr/local/camunda", "ZB_HOME": "/usr/local/zeebe"}

# The variables for another data directory: from 8.8 on, and up to 8.7.
DATA = ("CAMUNDA_DATA_PRIMARYSTORAGE_DIRECTORY", "ZEEBE_BROKER_DATA_DIRECTORY")

SPOOL = "app-integrations"
"""The spool's directory in the broker's data directory, on the same volume."""

MISSING = (
    f"There is no Camunda distribution in {' or '.join(DIRECTORIES.values())}. Use an "
    "official camunda/camunda or camunda/zeebe image as the base, or set CAMUNDA_HOME "
    "to a directory with lib/zeebe-broker-<version>.jar"
)


class Distribution(NamedTuple):
    """A distribution, its version and its data directory."""

    path: Path
    version: str
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
        with suppress(OSError):  # no permission
            for library in sorted(path.glob("lib/zeebe-broker-*.jar")):
                if found := re.fullmatch(r"zeebe-broker-(\d.*)\.jar", library.name):
                    named = (environ[name] for name in DATA if environ.get(name))
                    return Distribution(path, found[1], path / next(named, "data"))
    return None
