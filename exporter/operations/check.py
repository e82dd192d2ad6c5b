"""
Find out before the first event what would keep events from being delivered.

It changes nothing: the spool stays as it was, and the backend gets a batch
without events.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

from exporter import settings as environment
from exporter import variables
from exporter.connecting import connecting, exposed
from exporter.declaration import PREFIX
from exporter.delivery import EMPTY, Answer, Outcome, outcome_of, remedy
from exporter.operations.findings import Finding, Level, ok, problem, warning
from exporter.operations.leftovers import leftover
from exporter.operations.reach import reached
from exporter.settings import Settings, SettingsError
from exporter.spool.errors import SpoolUnusableError
from exporter.spool.lock import is_locked

__all__ = ["Finding", "Level", "findings", "judge"]


async def findings(broker: str | None = None) -> AsyncIterator[Finding]:
    """
    Yield everything there is to say about this environment, as it is found out.

    *broker* is where a broker must answer about what it keeps for us.
    """
    for unknown in variables.unknown():
        yield problem(str(unknown), "Correct its name, or remove it")
    configured = variables.names_a_backend()
    if finding := await leftover(broker, configured=configured):
        yield finding
    try:
        settings = environment.load()
    except SettingsError as error:
        for mistake in error.mistakes:
            yield problem(mistake, "Correct it: docs/configuration.md has all settings")
        return
    yield ok("The settings can be used")
    for finding in _spool(settings):
        yield finding
    async for finding in _backend(settings):
        yield finding


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


async def _backend(settings: Settings) -> AsyncIterator[Finding]:
    """Go as far towards the backend as it can be reached."""
    for each in exposed(settings):
        yield warning(f"{each.credential} crosses the network unencrypted", each.remedy)
    async for finding in reached(settings, settings.url, f"{PREFIX}URL"):
        yield finding
        if finding.level is Level.PROBLEM:
            return
    if server := settings.oauth_authorization_server_url:
        setting = f"{PREFIX}OAUTH_AUTHORIZATION_SERVER_URL"
        async for finding in reached(settings, server, setting):
            yield finding
            if finding.level is Level.PROBLEM:
                return
    async with connecting(settings) as backend:
        if answer := await backend.unready():
            yield problem(f"There is {answer.detail}", remedy(answer))
            return
        if server:
            yield ok("The token endpoint gives a token")
        yield judge(await backend.post(EMPTY))


def judge(answer: Answer) -> Finding:
    """Return what *answer* to a batch without events tells about the setup."""
    if answer.status in (400, 422):
        return ok(
            f"The backend answers {answer.detail}: it is reached; whether it takes "
            "events, a batch without any can't tell"
        )
    if outcome_of(answer) is Outcome.DELIVERED:
        return ok(f"The backend answers {answer.detail}: it takes our requests")
    said = "answers" if answer.status else "can be connected to, but:"
    return problem(f"The backend {said} {answer.detail}", remedy(answer))
