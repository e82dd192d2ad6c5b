"""Settings without an environment."""

from dataclasses import fields

from exporter.config.backend import BackendSettings
from exporter.config.settings import Settings
from exporter.events import ONLY_BACKEND

OF_BACKEND = {each.name for each in fields(BackendSettings)} - {"files", "prefix"}


def configured(**changes):
    """Return settings with one backend; each of *changes* goes where it belongs."""
    own, others = parted(changes)
    files, other_files = parted(changes.get("files", {}))
    backend = BackendSettings(**own | {"files": files})
    return Settings(backends={ONLY_BACKEND: backend}, **others | {"files": other_files})


def parted(named):
    """Return what of *named* a backend is told, and the rest."""
    own = {name: value for name, value in named.items() if name in OF_BACKEND}
    return own, {name: value for name, value in named.items() if name not in own}


def only_backend(settings):
    """Return the settings of the one backend."""
    (backend,) = settings.backends.values()
    return backend
