"""
Every setting, declared once: type, default, limits and meaning.

Reading them, the messages about mistakes and the table of docs/configuration.md
all come from the fields of `Settings`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import getproxies_environment

from environs import EnvValidationError, FileAwareEnv

from exporter import declaration, settings_transport
from exporter.declaration import (
    PREFIX,
    SERVICE_LINK,
    Declared,
    MistakeError,
    declared_in,
    one_of,
    setting,
    whole,
)
from exporter.errors import ConfigError
from exporter.settings_distribution import DistributionSettings
from exporter.settings_transport import TransportSettings

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Settings(TransportSettings, DistributionSettings):
    """`x_y` is the variable APP_INTEGRATIONS_X_Y; an empty text means "none"."""

    url: str = setting(
        ...,
        declaration.POSTABLE,
        "Where batches are posted; credentials go into `APP_INTEGRATIONS_API_KEY`.",
    )
    api_key: str = setting(
        "",
        declaration.CREDENTIAL,
        "Credential of the backend, sent with every batch.",
        secret=True,
    )
    api_key_header: str = setting(
        "X-API-KEY", declaration.FREE_HEADER, "The header that carries the credential."
    )
    batch_size: int = setting(
        50,
        whole(1, 10_000),
        "Events in one request, at most; 4 KiB of their ids close it, too.",
    )
    batch_max_bytes: int = setting(
        MIB, whole(1), "Bytes in one request, at most; a bigger event is sent alone."
    )
    batch_interval_ms: int = setting(
        0, whole(0), "How long a batch waits to become full; 0 sends at once."
    )
    request_timeout_ms: int = setting(
        5000, whole(1), "How long one request may take as a whole."
    )
    max_batches_in_flight: int = setting(4, whole(1, 64), "Requests in flight at once.")
    retry_after_max_ms: int = setting(
        300_000,
        whole(0),
        "How long the backend may ask us to wait (`Retry-After`), at most.",
    )
    max_event_age_ms: int = setting(
        0,
        whole(0),
        "An event not delivered after so long, by the engine's time, becomes a dead "
        "letter; 0 is never.",
    )
    status_outcomes: str = setting(
        "",
        declaration.STATUS_OUTCOMES,
        "What a status of this backend means, where it isn't the usual.",
    )
    spool_dir: Path = setting(
        Path("./spool"),
        declaration.PATH,
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
        "`refuse` lets the broker wait, which keeps everything; `drop-oldest` loses "
        "the oldest waiting events, counted and logged, so that it needn't.",
    )
    ingest_host: str = setting(
        "127.0.0.1", declaration.HOST, "The address that receives the broker's records."
    )
    ingest_port: int = setting(9280, declaration.PORT, "The port of that address.")
    ingest_username: str = setting(
        "",
        declaration.USERNAME,
        "Who may send records (basic authentication); needed on any address but "
        "loopback.",
    )
    ingest_password: str = setting(
        "", declaration.CREDENTIAL, "The password of that user.", secret=True
    )
    cluster_id: str = setting(
        "",
        declaration.ID,
        "Names the cluster: in front of every event's id, and in `X-Cluster-Id`.",
    )
    admin_host: str = setting(
        "127.0.0.1", declaration.HOST, "The address of metrics and health."
    )
    admin_port: int = setting(9281, declaration.PORT, "The port of that address.")
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


DECLARED = declared_in(Settings)


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
    values, mistakes = _read_all(DECLARED)
    values |= {"files": _files(), "proxies": getproxies_environment()}
    mistakes.extend(_conflicts(values))
    mistakes.extend(map(str, settings_transport.conflicts(values)))
    if mistakes:
        raise SettingsError(mistakes)
    return Settings(**values)


class Whereabouts(NamedTuple):
    """All that it takes to find a service and its spool."""

    spool_dir: Path
    spool_max_bytes: int
    admin_host: str
    admin_port: int
    cluster_id: str


def whereabouts() -> Whereabouts:
    """Return these alone: whatever else is wrong keeps nobody from looking."""
    return Whereabouts(**only(*Whereabouts._fields))


def only(*names: str) -> dict[str, Any]:
    """Return the settings with these *names*; mistakes in others don't matter."""
    values, mistakes = _read_all(each for each in DECLARED if each.name in names)
    if mistakes:
        raise SettingsError(mistakes)
    return values


def _read_all(settings: Iterable[Declared]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of *settings*, and what is wrong with the others."""
    env = FileAwareEnv(strip_whitespace=True)
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for declared in settings:
        try:
            values[declared.name] = _read(env, declared)
        except MistakeError as mistake:
            mistakes.append(str(mistake))
    return values, mistakes


def _files() -> dict[str, Path]:
    """Return the files that settings are read from."""
    named = {each.name: os.environ.get(f"{each.variable}_FILE") for each in DECLARED}
    return {name: Path(path) for name, path in named.items() if path}


def _read(env: FileAwareEnv, declared: Declared) -> object:
    variable, right = declared.variable, declared.must.be
    by_file = f"{variable}_FILE"
    text, path = os.environ.get(variable, ""), os.environ.get(by_file, "")
    if SERVICE_LINK.fullmatch(f"{variable}={text}"):
        text = ""
    if declared.foreign and text.strip() in ("", "null"):
        text = ""
    if text and path:
        raise MistakeError(variable, f"and {by_file} are both set", "only one of them")
    if not text and not path:
        if declared.required:
            raise MistakeError(variable, "is not set", right)
        return declared.default
    read: Callable[..., Any] = env.int if declared.kind is int else env.str
    try:
        value = read(
            variable,
            validate=declared.must,
            error_messages={"invalid": right},
        )
    except EnvValidationError:
        if path:
            wrong = "names a file whose content can't be used"
            raise MistakeError(by_file, wrong, f"one that holds {right}") from None
        wrong = f"is {declared.shown(text)!r}"
        raise MistakeError(variable, wrong, right) from None
    except (OSError, ValueError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) else "no UTF-8 text"
        shown = path if _is_path(path) else declared.shown(path)
        wrong = f"is {shown!r} ({reason})"
        raise MistakeError(by_file, wrong, "the path of a readable text file") from None
    return declared.kind(value)


def _is_path(text: str) -> bool:
    """Whether *text* may be shown: it isn't a secret that somebody misplaced."""
    root, *parts = Path(text).parts or ("",)
    return root == "/" and bool(parts) and Path(root, parts[0]).is_dir()


def _conflicts(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong between settings that are right by themselves."""
    if values.get("ingest_port") == values.get("admin_port") not in (None, 0):
        mistake = MistakeError(
            f"{PREFIX}ADMIN_PORT",
            f"is {values['admin_port']}, like {PREFIX}INGEST_PORT",
            "another one",
        )
        yield str(mistake)
    host = values.get("ingest_host", "localhost")
    username, password = values.get("ingest_username"), values.get("ingest_password")
    if username is None or password is None:
        return
    if bool(username) != bool(password):
        mistake = MistakeError(
            f"{PREFIX}INGEST_USERNAME",
            f"and {PREFIX}INGEST_PASSWORD belong together",
            "both set, or neither",
        )
        yield str(mistake)
    elif not username and not declaration.is_loopback(host):
        mistake = MistakeError(
            f"{PREFIX}INGEST_HOST",
            f"is {host!r}, which others reach, while {PREFIX}INGEST_USERNAME and "
            f"{PREFIX}INGEST_PASSWORD are not set",
            "127.0.0.1 unless they are",
        )
        yield str(mistake)


def effective(settings: Settings) -> dict[str, str | int]:
    """Return every variable with the value in effect, as people may see it."""
    return {
        each.variable: each.shown(getattr(settings, each.name)) for each in DECLARED
    }


def reference() -> str:
    """Return the table of docs/configuration.md; a test compares the file to it."""
    rows = ["| variable | meaning | must be | default |", "|---|---|---|---|"]
    for each in DECLARED:
        default = f"`{each.default}`" if each.default != "" else "none"
        default = "**required**" if each.required else default
        rows.append(
            f"| `{each.variable}` | {each.meaning} | {each.must.be} | {default} |"
        )
    return "\n".join(rows)
