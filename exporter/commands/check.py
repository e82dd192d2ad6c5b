"""
Find out before the first event what would keep events from being delivered.

It changes nothing: the spool stays as it was, and the backend gets a batch
without events.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from exporter.base.errors import ExporterError
from exporter.commands.findings import Finding, Level, ok, problem, warning
from exporter.commands.leftovers import leftover
from exporter.commands.reach import reached
from exporter.config import settings as environment
from exporter.config import variables
from exporter.config.backend import BackendSettings
from exporter.config.declaration import PREFIX
from exporter.config.settings import Settings, SettingsError
from exporter.connect import NAMELESS, NAMELESS_REMEDY, connecting, exposed, is_nameless
from exporter.delivery import Answer, Outcome, empty, outcome_of, remedy
from exporter.events import ONLY_BACKEND
from exporter.spool.errors import SpoolUnusableError
from exporter.spool.lock import is_locked

__all__ = ["Finding", "Level", "findings", "judge"]


Kept = Callable[[], Awaitable[list[dict[str, Any]]]]
Missed = Callable[[], Awaitable[dict[str, Any] | None]]


async def findings(
    broker: str | None = None, kept: Kept | None = None, missed: Missed | None = None
) -> AsyncIterator[Finding]:
    """
    Yield everything there is to say about this environment, as it is found out.

    *broker* is where a broker must answer about what it keeps for us. *kept* tells
    what the spool holds for each backend. *missed* tells what a running service
    knows to be withheld by the broker.
    """
    for unknown in variables.unknown():
        yield problem(unknown, "Correct its name, or remove it")
    configured = variables.names_a_backend()
    if finding := await leftover(broker, configured=configured):
        yield finding
    try:
        settings = environment.load()
    except SettingsError as error:
        for mistake in error.mistakes:
            yield problem(mistake, "Correct it: docs/configuration.md has all settings")
        return
    for finding in (*_usable(settings), *_spool(settings)):
        yield finding
    async for finding in _left_behind(kept):
        yield finding
    with suppress(ExporterError):  # without a service nobody knows
        if missed and (told := await missed()):
            yield problem(told["reason"], told["remedy"])
    for backend in settings.backends.values():
        async for finding in _backend(backend, settings.cluster_id):
            yield (
                finding if backend.name == ONLY_BACKEND else finding.about(backend.name)
            )


def _usable(settings: Settings) -> Iterator[Finding]:
    yield ok("The settings can be used")
    if shared := variables.shared():
        yield warning(shared, "Where that is wrong: docs/security.md, Headers")
    if is_nameless(settings):
        yield warning(NAMELESS, NAMELESS_REMEDY)


def _spool(settings: Settings) -> Iterator[Finding]:
    """Try to write where the spool is or will be, and leave nothing behind."""
    directory = settings.spool_dir.absolute()
    lacking = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
        free = shutil.disk_usage(directory).free
        in_use = is_locked(directory)
    except (OSError, SpoolUnusableError) as error:
        yield problem(
            f"The spool can't be written: {error}",
            f"Give {PREFIX}SPOOL_DIR a directory that this user may write",
        )
        return
    finally:
        for path in lacking:
            with suppress(OSError):
                path.rmdir()
    state = "is in use by a running service" if in_use else "can be written"
    yield ok(f"The spool {directory} {state}")
    if free < settings.spool_max_bytes:
        yield warning(
            f"The disk of the spool has {free} bytes left, and the spool may take "
            f"{settings.spool_max_bytes}",
            f"Free some space, or lower {PREFIX}SPOOL_MAX_BYTES",
        )


async def _left_behind(kept: Kept | None) -> AsyncIterator[Finding]:
    """Tell of events that nobody delivers; silence, when nobody can tell."""
    held: list[dict[str, Any]] = []
    with suppress(ExporterError):  # no spool yet, or a service that is just starting
        held = await kept() if kept else []
    for each in held:
        if each["configured"]:
            continue
        yield problem(
            f"{each['backend']} is no backend any more, and {each['events']} events "
            f"and {each['dead_letters']} dead letters are kept for it",
            f"Put it back into {PREFIX}BACKENDS, or decide: app-integrations-exporter "
            "backends --help",
        )


async def _backend(
    settings: BackendSettings, cluster_id: str
) -> AsyncIterator[Finding]:
    """Go as far towards the backend as it can be reached."""
    for each in exposed(settings):
        yield warning(f"{each.credential} crosses the network unencrypted", each.remedy)
    async for finding in reached(settings, settings.url, settings.variable("url")):
        yield finding
        if finding.level is Level.PROBLEM:
            return
    if server := settings.oauth_authorization_server_url:
        setting = settings.variable("oauth_authorization_server_url")
        async for finding in reached(settings, server, setting):
            yield finding
            if finding.level is Level.PROBLEM:
                return
    async with connecting(settings, cluster_id) as backend:
        if answer := await backend.unready():
            advice = remedy(answer, settings.variable)
            yield problem(f"There is {answer.detail}", advice)
            return
        if server:
            yield ok("The token endpoint gives a token")
        answer = await backend.post(empty(settings.written))
        yield judge(answer, remedy(answer, settings.variable))


def judge(answer: Answer, advice: str) -> Finding:
    """Return what *answer* to a batch without events tells about the setup."""
    if answer.status in (400, 422):
        return ok(
            f"The backend answers {answer.detail}: it is reached; whether it takes "
            "events, a batch without any can't tell"
        )
    if outcome_of(answer) is Outcome.DELIVERED:
        return ok(f"The backend answers {answer.detail}: it takes our requests")
    said = "answers" if answer.status else "can be connected to, but:"
    return problem(f"The backend {said} {answer.detail}", advice)
