"""
`check`: find what would keep events from being delivered, before the first event.

It changes nothing: the spool stays as it was, and the backend gets an empty batch.
"""

import argparse
import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from yarl import URL

from exporter.base.errors import ExporterError
from exporter.commands.arguments import Subparsers, add_broker, add_command
from exporter.commands.client import admin_port
from exporter.commands.findings import Finding, Level, ok, problem, warning
from exporter.commands.leftovers import leftover
from exporter.commands.printing import as_json, printable
from exporter.config import settings as environment
from exporter.config import variables
from exporter.config.backend import BackendSettings
from exporter.config.declaration import PREFIX
from exporter.config.settings import Settings, SettingsError
from exporter.connect import NAMELESS, NAMELESS_REMEDY, connecting, exposed, is_nameless
from exporter.delivery import Answer, Outcome, empty, outcome_of, remedy
from exporter.events import ONLY_BACKEND
from exporter.net.names import look_up
from exporter.net.proxies import proxy_for
from exporter.net.tls import reason_of
from exporter.spool.errors import SpoolUnusableError
from exporter.spool.lock import is_locked


def add_to(commands: Subparsers) -> None:
    """Add `check` to *commands*."""
    add_broker(add_command(commands, "check", check))


def check(args: argparse.Namespace) -> int:
    """Try the settings, the spool and the backend, and say what to do."""
    return asyncio.run(_check(args))


async def _check(args: argparse.Namespace) -> int:
    found = []
    async for finding in findings(args.broker):
        found.append(finding)
        if not args.json:
            print(f"{finding.level:8} {printable(finding.text)}", flush=True)
            if finding.remedy:
                print(f"{'':8} -> {printable(finding.remedy)}", flush=True)
    if args.json:
        print(as_json([vars(finding) for finding in found]))
    return int(any(finding.level is Level.PROBLEM for finding in found))


async def findings(broker: str | None = None) -> AsyncIterator[Finding]:
    """Yield findings about this environment; *broker* is the URL of an actuator."""
    for unknown in variables.unknown():
        yield problem(unknown, "Correct its name, or remove it")
    settings: Settings | None = None
    try:
        settings = environment.load()
    except SettingsError as error:
        for mistake in error.mistakes:
            yield problem(mistake, "Correct it: docs/configuration.md has all settings")
    if finding := await leftover(broker, configured=variables.names_a_backend()):
        yield finding
    if settings is None:
        return
    for finding in (*_settings(settings), *_spool(settings), *await _kept()):
        yield finding
    for backend in settings.backends.values():
        prefix = "" if backend.name == ONLY_BACKEND else f"{backend.name}: "
        async for finding in _backend(backend, settings.cluster_id):
            yield replace(finding, text=f"{prefix}{finding.text}")


def _settings(settings: Settings) -> Iterator[Finding]:
    yield ok("The settings can be used")
    if shared := variables.shared():
        yield warning(shared, "If that is wrong, see docs/security.md, Headers")
    if is_nameless(settings):
        yield warning(NAMELESS, NAMELESS_REMEDY)


def _spool(settings: Settings) -> Iterator[Finding]:
    """Try to write where the spool is or will be; nothing stays there."""
    directory = settings.spool_dir.absolute()
    try:
        there = next(path for path in (directory, *directory.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
        in_use = is_locked(directory)
    except (OSError, SpoolUnusableError) as error:
        yield problem(
            f"The spool can't be written: {error}",
            f"Set {PREFIX}SPOOL_DIR to a directory where this user may write",
        )
        return
    state = "is in use by a running service" if in_use else "can be written"
    yield ok(f"The spool {directory} {state}")
    if free < settings.spool_max_bytes:
        yield warning(
            f"The disk of the spool has {free} bytes left, but the spool may use "
            f"{settings.spool_max_bytes}",
            f"Free some space, or lower {PREFIX}SPOOL_MAX_BYTES",
        )


async def _kept() -> list[Finding]:
    """Look for events that nobody delivers, and for a broker that withholds some."""
    try:
        async with admin_port(environment.spool_location()) as port:
            status = await port.get("/status")
    except ExporterError:  # no spool yet, or a service that is just starting
        return []
    found = [
        problem(
            f"{name} isn't configured any more, but its events ({events}) and dead "
            "letters are kept",
            f"Add it to {PREFIX}BACKENDS again, or drop its events: "
            f"app-integrations-exporter drop-backend {name}",
        )
        for name, events in status["spool"]["left_behind"].items()
    ]
    if withheld := status.get("ingest", {}).get("withheld"):
        found.append(problem(withheld["reason"], withheld["remedy"]))
    return found


async def _backend(
    settings: BackendSettings, cluster_id: str
) -> AsyncIterator[Finding]:
    """Go towards the backend step by step, until a step fails."""
    for each in exposed(settings):
        yield warning(f"{each.credential} crosses the network unencrypted", each.remedy)
    for setting in ("url", "oauth_authorization_server_url"):
        if getattr(settings, setting):
            finding = await _connection(settings, setting)
            yield finding
            if finding.level is Level.PROBLEM:
                return
    async with connecting(settings, cluster_id) as backend:
        answer = await backend.post(empty(settings.body_format))
    yield finding_of(answer, remedy(answer, settings.variable))


async def _connection(settings: BackendSettings, setting: str) -> Finding:
    """Connect to the server in *setting*, or to the proxy in front of it."""
    url, variable = URL(getattr(settings, setting)), settings.variable(setting)
    if proxy := proxy_for(str(url), settings.proxies):
        url, variable = proxy.url, f"{url.scheme.upper()}_PROXY"
    host, port = url.raw_host or "", url.port or 0
    try:
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            await look_up(host, port)  # in a thread that can't delay our end
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return problem(
            f"{url.host}:{port} can't be connected to: {reason_of(error)}",
            f"Correct host and port in {variable}, start the server, or allow the "
            "connection in the firewall or network policy",
        )
    writer.close()
    return ok(f"{url.host}:{port} can be connected to")


def finding_of(answer: Answer, advice: str) -> Finding:
    """Return the finding that follows from *answer* to a batch without events."""
    if answer.status in (400, 422):
        return ok(
            f"The backend answers {answer.detail}: it is reached, but a batch without "
            "events can't show whether it accepts events"
        )
    if outcome_of(answer) is Outcome.DELIVERED:
        return ok(f"The backend answers {answer.detail}: it accepts our requests")
    if answer.status:
        return problem(f"The backend answers {answer.detail}", advice)
    return problem(f"The request fails: {answer.detail}", advice)
