"""Settings made without environment variables."""

from dataclasses import fields

from exporter.config.backend import BackendSettings
from exporter.config.settings import Settings
from exporter.events import ONLY_BACKEND

OF_BACKEND = {each.name for each in fields(BackendSettings)} - {"files", "prefix"}


def configured(**changes):
    """Return settings with one backend; *changes* may be of either kind."""
    own, others = parted(changes)
    files, other_files = parted(changes.get("files", {}))
    backend = BackendSettings(**own | {"files": files})
    return Settings(backends={ONLY_BACKEND: backend}, **others | {"files": other_files})


def parted(named):
    """Split *named* into settings of a backend and other settings."""
    own = {name: value for name, value in named.items() if name in OF_BACKEND}
    return own, {name: value for name, value in named.items() if name not in own}


def only_backend(settings):
    """Return the settings of the only backend."""
    (backend,) = settings.backends.values()
    return backend
