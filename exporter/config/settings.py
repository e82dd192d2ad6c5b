"""
Every setting, declared once: type, default, limits and meaning.

Reading them, the messages about mistakes and the table of docs/configuration.md
all come from the fields of `Settings`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import getproxies_environment

from exporter.base.errors import ConfigError
from exporter.config import musts
from exporter.config.backend import NAMES, BackendSettings, names_in
from exporter.config.declaration import (
    PREFIX,
    MistakeError,
    Readable,
    declared_in,
    setting,
)
from exporter.config.musts import one_of, readable, whole
from exporter.config.names import (
    OF_BACKEND,
    conflicts_of,
    of_backend,
    prefix_of,
    said_of_nobody,
    unlisted,
)
from exporter.config.reading import files_of, read_all
from exporter.events import ONLY_BACKEND, dropped_in
from exporter.net.hosts import is_loopback

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Settings(Readable):
    """`x_y` is the variable APP_INTEGRATIONS_X_Y; an empty text means "none"."""

    backend_names: str = setting(
        "",
        readable(
            "names of a-z and 0-9, each once, like `teams, audit`", names_in, NAMES
        ),
        "Several backends by name. Of `teams` the settings below are those that begin "
        f"with `{PREFIX}BACKEND_TEAMS_`. A setting that is missing there falls back to "
        "the variable without a name, except URLs and credentials.",
        variable=f"{PREFIX}BACKENDS",
    )
    drop_fields: str = setting(
        "",
        readable("names of fields like `assignee, customHeaders.mail`", dropped_in),
        "Fields that are left out of every event, before it is stored.",
    )
    spool_dir: Path = setting(
        Path("./spool"),
        musts.PATH,
        "Where accepted events are kept until they are delivered.",
    )
    spool_max_bytes: int = setting(
        1024 * MIB,
        whole(16 * MIB, 2**50),  # the largest bulk request of a broker has 10 MiB
        "How many bytes of events and dead letters are kept there, not counting what "
        "the file needs around them; when it is full the broker waits.",
    )
    spool_when_full: str = setting(
        "refuse",
        one_of("refuse", "drop-oldest"),
        "`refuse` makes the broker wait and keeps everything; `drop-oldest` discards "
        "the oldest waiting events (counted and logged) instead.",
    )
    ingest_host: str = setting(
        "127.0.0.1", musts.HOST, "The address that receives the broker's records."
    )
    ingest_port: int = setting(9280, musts.PORT, "The port of that address.")
    ingest_username: str = setting(
        "",
        musts.USERNAME,
        "Who may send records (basic authentication); needed on any address but "
        "loopback.",
    )
    ingest_password: str = setting(
        "", musts.CREDENTIAL, "The password of that user.", secret=True
    )
    cluster_id: str = setting(
        "",
        musts.ID,
        "Names the cluster: in front of every event's id, and in `X-Cluster-Id`.",
    )
    admin_host: str = setting(
        "127.0.0.1", musts.HOST, "The address of metrics and health."
    )
    admin_port: int = setting(9281, musts.PORT, "The port of that address.")
    shutdown_timeout_ms: int = setting(
        10_000, whole(0), "How long a stop may take to deliver what still waits."
    )
    log_level: str = setting(
        "INFO",
        one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "What is logged: this, and what is more serious.",
    )
    log_format: str = setting(
        "auto",
        one_of("auto", "json", "text"),
        "`auto` is text on a terminal, else json.",
    )
    # What the entrypoint of the distribution image asks for.
    enabled: str = setting(
        "auto",
        one_of("auto", "true", "false"),
        "Whether the distribution image starts the exporter beside the broker: `auto` "
        "does when a backend is configured, `false` leaves the image as its base is. "
        "`run --standby` asks, too.",
    )
    required: str = setting(
        "false",
        one_of("true", "false"),
        "`true` keeps the distribution image from starting a broker when the exporter "
        "can't be configured; else the broker starts without it, after an error.",
    )
    broker_bulk_size: int = setting(
        1,
        whole(1),
        "How many records the broker sends at once, where the same environment starts "
        "both (else docs/broker.md says how to tell it): 1 is real time, 50 to 100 is "
        "three times the rate and up to a second later.",
    )
    backends: Mapping[str, BackendSettings] = field(default_factory=dict)
    """Every backend, by its name."""

    @property
    def value_types(self) -> frozenset[str]:
        """What any backend wants to be told of, as the engine calls it."""
        selections = [each.selection for each in self.backends.values()]
        return frozenset().union(*(each.value_types for each in selections))

    @property
    def dropped(self) -> tuple[str, ...]:
        """The fields that are left out."""
        return dropped_in(self.drop_fields)


OF_SERVICE = declared_in(Settings)
DECLARED = OF_BACKEND + OF_SERVICE


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
    """Return the settings of this environment; one error names every mistake."""
    values, at_last = read_all(OF_SERVICE)
    if "backend_names" not in values:  # whose settings there are isn't known, then
        raise SettingsError(at_last)
    names = names_in(values["backend_names"])
    plain: dict[str, Any] = {}
    mistakes: list[str] = []
    if names:
        plain, mistakes = read_all(each for each in OF_BACKEND if not each.own)
        mistakes += said_of_nobody(names[0])
    backends = {}
    if not names:
        mistakes += unlisted()
    for name in names or [ONLY_BACKEND]:
        own, wrong = read_all(of_backend(name), plain)
        own |= {"name": name, "proxies": getproxies_environment()}
        wrong += conflicts_of(name, own)
        mistakes += [each for each in wrong if each not in mistakes]
        if not wrong:
            files = files_of(OF_BACKEND) | files_of(of_backend(name))
            backends[name] = BackendSettings(files=files, prefix=prefix_of(name), **own)
    mistakes += [*at_last, *map(str, _conflicts(values))]
    if mistakes:
        raise SettingsError(mistakes)
    return Settings(files=files_of(OF_SERVICE), backends=backends, **values)


class Whereabouts(NamedTuple):
    """All that it takes to find a service and its spool."""

    spool_dir: Path
    spool_max_bytes: int
    admin_host: str
    admin_port: int
    cluster_id: str
    backend_names: str

    @property
    def backends(self) -> tuple[str, ...]:
        """The names of all backends."""
        return tuple(names_in(self.backend_names)) or (ONLY_BACKEND,)


def whereabouts() -> Whereabouts:
    """Return these alone: whatever else is wrong keeps nobody from looking."""
    return Whereabouts(**only(*Whereabouts._fields))


def only(*names: str) -> dict[str, Any]:
    """Return the settings with these *names*; mistakes in others don't matter."""
    values, mistakes = read_all(each for each in OF_SERVICE if each.name in names)
    if mistakes:
        raise SettingsError(mistakes)
    return values


def _conflicts(values: Mapping[str, Any]) -> Iterator[MistakeError]:
    """Yield what is wrong between settings that are right by themselves."""
    if values.get("ingest_port") == values.get("admin_port") not in (None, 0):
        wrong = f"is {values['admin_port']}, like {PREFIX}INGEST_PORT"
        yield MistakeError(f"{PREFIX}ADMIN_PORT", wrong, "another one")
    host = values.get("ingest_host", "localhost")
    username, password = values.get("ingest_username"), values.get("ingest_password")
    if username is None or password is None:
        return
    if bool(username) != bool(password):
        wrong = f"and {PREFIX}INGEST_PASSWORD belong together"
        yield MistakeError(f"{PREFIX}INGEST_USERNAME", wrong, "both set, or neither")
    elif not username and not is_loopback(host):
        yield MistakeError(
            f"{PREFIX}INGEST_HOST",
            f"is {host!r}, which others reach, while {PREFIX}INGEST_USERNAME and "
            f"{PREFIX}INGEST_PASSWORD are not set",
            "127.0.0.1 unless they are",
        )


def effective(settings: Settings) -> dict[str, str | int]:
    """Return every variable with the value in effect, as people may see it."""
    shown = {
        each.variable: each.shown(getattr(backend, each.name))
        for name, backend in settings.backends.items()
        for each in of_backend(name)
    }
    return shown | {
        each.variable: each.shown(getattr(settings, each.name)) for each in OF_SERVICE
    }
