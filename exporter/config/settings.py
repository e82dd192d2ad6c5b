"""
Every setting, declared once: default, rule and meaning.

The settings of a backend are in `exporter.config.backend`. The loader, the messages and
docs/configuration.md all use these declarations.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import getproxies_environment

from exporter.base.errors import ConfigError
from exporter.config import rules
from exporter.config.backend import (
    BACKEND_SETTINGS,
    BackendSettings,
    names_in,
    prefix_of,
    settings_of,
)
from exporter.config.conflicts import conflicts
from exporter.config.connector import not_ours
from exporter.config.declaration import PREFIX, Configured, declared_in, setting
from exporter.config.reading import files_of, is_set, read_all
from exporter.config.rules import Rule, one_of, whole
from exporter.events import ONLY_BACKEND, dropped_in
from exporter.net.hosts import is_loopback

MIB = 1024 * 1024
NAMES = Rule("names of a-z and 0-9, each once, like `teams, audit`", names_in)
FIELDS = Rule("names of fields like `assignee, customHeaders.mail`", dropped_in)


@dataclass(frozen=True, kw_only=True)
class Settings(Configured):
    """`x_y` is the variable APP_INTEGRATIONS_X_Y; an empty text means "none"."""

    backend_names: str = setting("", NAMES, variable=f"{PREFIX}BACKENDS")
    """
    The names of several backends. The settings of `teams` begin with
    `APP_INTEGRATIONS_BACKEND_TEAMS_`. A setting that is missing there falls back to the
    variable without a name, except URLs and credentials.
    """
    drop_fields: str = setting("", FIELDS)
    """Fields to remove from every event before it is stored."""
    spool_dir: Path = setting(Path("./spool"), rules.PATH)
    """Where accepted events are stored until delivery."""
    # The largest bulk request of a broker has 10 MiB.
    spool_max_bytes: int = setting(1024 * MIB, whole(16 * MIB, 2**50))
    """The most bytes of events and dead letters, without the file's overhead."""
    spool_when_full: str = setting("refuse", one_of("refuse", "drop-oldest"))
    """
    `refuse` makes the broker wait; `drop-oldest` discards the oldest waiting events
    (counted and logged) instead.
    """
    ingest_host: str = setting("127.0.0.1", rules.HOST)
    """The address that receives the broker's records."""
    ingest_port: int = setting(9280, rules.PORT)
    """The port of that address."""
    ingest_username: str = setting("", rules.USERNAME)
    """The broker's user (basic authentication); required unless on loopback."""
    ingest_password: str = setting("", rules.CREDENTIAL, secret=True)
    """The password of that user."""
    cluster_id: str = setting("", rules.ID)
    """The name of the cluster: the start of event ids, and `X-Cluster-Id`."""
    admin_host: str = setting("127.0.0.1", rules.HOST)
    """The address of metrics, health and commands."""
    admin_port: int = setting(9281, rules.PORT)
    """The port of that address."""
    shutdown_timeout_ms: int = setting(10_000, whole(0))
    """How long a stop may take to deliver waiting events."""
    log_level: str = setting("INFO", one_of("DEBUG", "INFO", "WARNING", "ERROR"))
    """The least serious level that is logged."""
    log_format: str = setting("auto", one_of("auto", "json", "text"))
    """`auto` is text on a terminal and JSON elsewhere."""
    enabled: str = setting("auto", one_of("auto", "true", "false"))
    """
    Whether the distribution image (and `run --standby`) starts the exporter: `auto`
    does if a backend is configured.
    """
    required: str = setting("false", one_of("true", "false"))
    """
    `true` stops the distribution image if the exporter can't be configured; `false`
    starts the broker without the exporter, after an error.
    """
    broker_bulk_size: int = setting(1, whole(1))
    """
    How many records the broker sends at once, in the distribution image (elsewhere see
    docs/broker.md). 1 is real time; 50 to 100 is three times the rate and up to a
    second later.
    """
    backends: Mapping[str, BackendSettings] = field(default_factory=dict)
    """Every backend, by its name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all backends, which a command knows without their settings."""
        return tuple(names_in(self.backend_names)) or (ONLY_BACKEND,)

    @property
    def value_types(self) -> frozenset[str]:
        """The engine's names of everything that a backend selects."""
        selections = [each.selection for each in self.backends.values()]
        return frozenset().union(*(each.value_types for each in selections))

    @property
    def dropped(self) -> tuple[str, ...]:
        """The fields that are removed from every event."""
        return dropped_in(self.drop_fields)


SERVICE_SETTINGS = declared_in(Settings)
DECLARED = BACKEND_SETTINGS + SERVICE_SETTINGS
NAMED_URL = rf"{PREFIX}BACKEND_[A-Z0-9]+_URL(_FILE)?"


class SettingsError(ConfigError):
    """All mistakes in the settings at once."""

    def __init__(self, mistakes: list[str]) -> None:
        """Give each of *mistakes* its line; `check` reports them one by one."""
        lines = "".join(f"\n  {mistake}" for mistake in mistakes)
        super().__init__(
            "The configuration can't be used",
            remedy=f"Correct these settings, docs/configuration.md has all:{lines}",
        )
        self.mistakes = mistakes


def load() -> Settings:
    """Return the settings of this environment; one error names all wrong values."""
    values, of_service = read_all(SERVICE_SETTINGS)
    if "backend_names" not in values:  # so the backends' settings aren't known
        raise SettingsError(of_service)
    names = names_in(values["backend_names"])
    mistakes = list(_misplaced(names))
    backends = {}
    for name in names or [ONLY_BACKEND]:
        try:
            backends[name] = _backend(name)
        except SettingsError as error:
            mistakes += error.mistakes
    files = files_of(SERVICE_SETTINGS)
    settings = Settings(files=files, backends=backends, **values)
    of_service = of_service or list(_conflicts(settings))
    if mistakes or of_service:
        raise SettingsError([*dict.fromkeys(mistakes), *of_service])
    return settings


def _backend(name: str) -> BackendSettings:
    """Return the settings of the backend *name*."""
    shared = {each.name: each for each in BACKEND_SETTINGS if not each.own}
    sources = tuple(
        each if is_set(each) else shared.get(each.name, each)
        for each in settings_of(name)
    )
    values, mistakes = read_all(sources)
    if mistakes:
        raise SettingsError(mistakes)
    settings = BackendSettings(
        name=name,
        proxies=getproxies_environment(),
        files=files_of(sources),
        sources=sources,
        **values,
    )
    if mistakes := list(conflicts(settings)):
        raise SettingsError(mistakes)
    return settings


def _conflicts(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each conflict among the settings of the service."""
    user, password = f"{PREFIX}INGEST_USERNAME", f"{PREFIX}INGEST_PASSWORD"
    if 0 != settings.admin_port == settings.ingest_port:
        like = f"is {settings.admin_port}, like {PREFIX}INGEST_PORT"
        yield f"{PREFIX}ADMIN_PORT {like}; give each a port of its own"
    if bool(settings.ingest_username) != bool(settings.ingest_password):
        yield f"{user} and {password} belong together; set both, or neither"
    elif not settings.ingest_username and not is_loopback(settings.ingest_host):
        reached = f"is {settings.ingest_host!r}, which others can reach"
        right = f"set {user} and {password}, or use 127.0.0.1"
        yield f"{PREFIX}INGEST_HOST {reached}; {right}"


def _misplaced(names: list[str]) -> Iterator[str]:
    """Yield a sentence for each variable that doesn't fit the list of *names*."""
    listed = f"{PREFIX}BACKENDS"
    own = {name for x in BACKEND_SETTINGS if x.own for name in (x.variable, x.file)}
    own = own.difference(not_ours(os.environ))
    for variable in sorted(filter(os.environ.get, os.environ)):
        if names and variable in own:
            right = variable.replace(PREFIX, prefix_of(names[0]))
            yield f"{variable} is set together with {listed}; set it like {right}"
        elif not names and re.fullmatch(NAMED_URL, variable):
            yield f"{variable} is set without {listed}; list the names of all backends"


def only(*names: str) -> Settings:
    """Return the settings with these *names*; the others have their defaults."""
    values, mistakes = read_all(each for each in SERVICE_SETTINGS if each.name in names)
    if mistakes:
        raise SettingsError(mistakes)
    return Settings(**values)


def spool_location() -> Settings:
    """Return the settings that a command needs to find a service and its spool."""
    address = ("admin_host", "admin_port", "cluster_id", "backend_names")
    return only("spool_dir", "spool_max_bytes", *address)


def effective(settings: Settings) -> dict[str, str | int]:
    """Return every variable with the value in effect, without secrets."""
    shown: dict[str, str | int] = {}
    for each in (*settings.backends.values(), settings):
        shown |= each.shown()
    return shown
