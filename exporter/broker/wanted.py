"""Whether the environment switches the exporter on."""

import os
from collections.abc import Mapping

from exporter.broker import takeover
from exporter.config.declaration import PREFIX
from exporter.config.variables import names_a_backend


def why_off(environ: Mapping[str, str] = os.environ) -> str:
    """Return why the exporter is off, or "" if it is on."""
    switch = environ.get(f"{PREFIX}ENABLED", "").strip()
    if switch == "false":
        return f"{PREFIX}ENABLED is false"
    configured = names_a_backend(environ) or takeover.official_ids(environ)
    if configured or switch not in ("", "auto") or is_required(environ):
        return ""
    return f"no backend is configured: {PREFIX}URL is not set"


def is_required(environ: Mapping[str, str]) -> bool:
    """Return whether no broker may start without the exporter."""
    return environ.get(f"{PREFIX}REQUIRED", "").strip() not in ("", "false")
