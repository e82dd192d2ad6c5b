"""
The distribution image's entrypoint: `app-integrations-entrypoint [COMMAND...]`.

It starts the exporter beside what it is given to start, usually the broker, and tells
the broker to export to it. Where no exporter is configured it becomes the command, and
no process of ours stays.
"""

import http.client
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter import cli, logs
from exporter.base import process
from exporter.base.errors import ConfigError
from exporter.broker import takeover, wanted
from exporter.bundle import home, wiring
from exporter.bundle.supervisor import Program, Supervisor, unstartable
from exporter.config import variables
from exporter.config.declaration import PREFIX
from exporter.config.settings import Settings
from exporter.net.listening import address

NAME = "app-integrations-entrypoint"
USAGE = f"""\
usage: {NAME} [COMMAND...]

Starts the exporter, then COMMAND (else what the base image starts) with the variables
that make the broker export to it; ends with the status of COMMAND. Settings come from
APP_INTEGRATIONS_* variables. All about it: docs/distribution.md."""

WITHOUT = """\
The broker starts without the exporter. If it had the exporter before, it compacts its
log no more until that is back, or `app-integrations-exporter uninstall` was run."""

READY_ANSWER_SECONDS = 1.0

log = logging.getLogger(NAME)


def main(argv: Sequence[str] | None = None) -> int:
    """Start what is to be started; return its exit status, or become it."""
    process.open_streams()
    command = list(sys.argv[1:] if argv is None else argv)
    if command in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    process.unblock_stderr()
    environ = dict(os.environ)
    command = command or _usual(environ)
    logs.configure("INFO", environ.get(f"{PREFIX}LOG_FORMAT") or "auto")
    if not wanted.is_wanted(environ):
        for unknown in variables.unknown():  # perhaps the URL, misspelt
            log.warning("the exporter is off", extra={"detail": unknown})
        return _become(command, _without_us(environ))
    wired = _wired(environ)
    if isinstance(wired, int):
        if wanted.is_required(environ):
            return wired
        print(f"{NAME}: {WITHOUT}", file=sys.stderr, flush=True)
        return _become(command, wiring.alone(environ))
    logs.configure(wired.settings.log_level, wired.settings.log_format)
    for notice in wired.notices:
        log.warning("setting without effect", extra={"detail": notice})
    if wired.tenants:
        named = ", ".join(wired.tenants)
        log.info("physical tenants export", extra={"physical_tenants": named})
    return Supervisor(
        Program(command, wired.broker),
        Program(_exporter(), wired.exporter),
        is_ready=lambda: _is_ready(wired.settings),
        clock=time.monotonic,
    ).run()


def exporter(argv: Sequence[str] | None = None) -> int:
    """Run the exporter's own command line with what this image's variables mean."""
    environ = dict(os.environ)
    try:
        os.environ.update(wiring.ours(environ, home.find(environ)))
    except ConfigError as error:
        print(f"{cli.NAME}: {error}", file=sys.stderr)
        return error.exit_status
    return cli.main(argv)


def _wired(environ: dict[str, str]) -> wiring.Wiring | int:
    """Return who is told what, or the status of what was wrong, after saying it."""
    try:
        return wiring.wire(environ)
    except ConfigError as error:
        print(f"{NAME}: {error}", file=sys.stderr, flush=True)
        return error.exit_status
    except Exception:
        # A mistake of ours may cost the exporter, never the broker.
        log.exception("the exporter can't be configured, which is a defect of it")
        return 1


def _without_us(environ: dict[str, str]) -> dict[str, str]:
    """Return what a broker can start with: its image lacks the official exporter."""
    for exporter_id in sorted(takeover.official_ids(environ)):
        log.warning(
            "the exporter is off, and its variables are kept from the broker",
            extra={"exporter_id": exporter_id},
        )
    return wiring.alone(environ)


def _usual(environ: Mapping[str, str]) -> list[str]:
    """Return what the base image starts."""
    found = home.find(environ)
    return found.command if found else ["/usr/local/bin/startup.sh"]


def _exporter() -> list[str]:
    """Return the exporter's command: beside this one in the image."""
    if getattr(sys, "frozen", False):
        return [str(Path(sys.executable).with_name(cli.NAME)), "run"]
    return [sys.executable, "-m", "exporter", "run"]


def _become(command: list[str], environ: Mapping[str, str]) -> int:
    """Replace this process by *command*; return only when that can't be done."""
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and so by its heirs
        signal.signal(ignored, signal.SIG_DFL)
    sys.stderr.flush()
    try:
        os.execvpe(command[0], command, dict(environ))  # noqa: S606 -- as told
    except OSError as error:
        return unstartable(command, error)


def _is_ready(settings: Settings) -> bool:
    """Return whether the exporter takes what the broker sends."""
    if not settings.admin_port:
        return True  # nobody can know its port
    url = address(settings.admin_host, settings.admin_port)
    connection = http.client.HTTPConnection(
        url.raw_host or "", url.port, timeout=READY_ANSWER_SECONDS
    )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, ValueError, http.client.HTTPException):  # or a name that is none
        return False
    finally:
        connection.close()
