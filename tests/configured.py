"""Settings without an environment."""

from dataclasses import fields

from exporter.config.backend import BackendSettings
from exporter.config.settings import Settings
from exporter.events import ONLY_BACKEND

BACKEND = {each.name for each in fields(BackendSettings)} - {"files", "sources"}


def configured(**changes):
    """Return the settings of a service with one backend, and *changes*."""
    own, others = split(changes)
    files, other_files = split(changes.get("files", {}))
    backend = BackendSettings(**own | {"files": files})
    return Settings(backends={ONLY_BACKEND: backend}, **others | {"files": other_files})


def split(named):
    """Return the settings in *named* of a backend, and those of the service."""
    own = {name: value for name, value in named.items() if name in BACKEND}
    return own, {name: value for name, value in named.items() if name not in own}


def only_backend(settings):
    """Return the settings of the one backend."""
    (backend,) = settings.backends.values()
    return backend
