"""
The entrypoint of the combined image: `app-integrations-entrypoint [COMMAND...]`.

It starts the exporter and COMMAND, usually the broker, with variables that make the
broker export to the exporter. If the exporter is off, the entrypoint is replaced by
COMMAND.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter import cli, logs
from exporter.base import process
from exporter.base.errors import ConfigError
from exporter.broker import takeover, wanted
from exporter.bundle import ENDING, PASSED_ON, distribution, wiring
from exporter.bundle.supervisor import Program, Supervisor, unstartable
from exporter.config import variables
from exporter.config.declaration import PREFIX
from exporter.config.settings import Settings
from exporter.net.listening import address

NAME = "app-integrations-entrypoint"
USAGE = f"""\
usage: {NAME} [COMMAND...]

Starts the exporter, then COMMAND (default: the command of the base image) with the
variables that make the broker export to it. Ends with the exit status of COMMAND.
Settings come from APP_INTEGRATIONS_* variables. See docs/distribution.md."""

WITHOUT = """\
The broker starts without the exporter. If it had the exporter before, its log grows
until the exporter is back, or until you run `app-integrations-exporter uninstall`."""

log = logging.getLogger(NAME)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the exporter, or become the command."""
    process.open_streams()
    command = list(sys.argv[1:] if argv is None else argv)
    if command in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    process.unblock_stderr()
    environ = dict(os.environ)
    if not command:
        found = distribution.find(environ)
        command = found.command if found else ["/usr/local/bin/startup.sh"]
    logs.configure("INFO", environ.get(f"{PREFIX}LOG_FORMAT") or "auto")
    if wanted.why_off(environ):
        details = variables.unknown()  # perhaps a misspelt URL
        for official in sorted(takeover.official_ids(environ)):
            details.append(f"the broker doesn't get the variables of {official}")
        for detail in details:
            log.warning("the exporter is off", extra={"detail": detail})
        return _become(command, wiring.without_exporter(environ))
    wired = _wired(environ)
    if isinstance(wired, int):
        if wanted.is_required(environ):
            return wired
        print(f"{NAME}: {WITHOUT}", file=sys.stderr, flush=True)
        return _become(command, wiring.without_exporter(environ))
    logs.configure(wired.settings.log_level, wired.settings.log_format)
    for notice in wired.notices:
        log.warning("setting without effect", extra={"detail": notice})
    return Supervisor(
        Program(command, wired.broker),
        Program(_exporter(), wired.exporter),
        is_ready=lambda: _is_ready(wired.settings),
        clock=time.monotonic,
    ).run()


def exporter(argv: Sequence[str] | None = None) -> int:
    """Run the exporter's command line with the variables of this image."""
    environ = dict(os.environ)
    try:
        os.environ.update(wiring.with_our_settings(environ, distribution.find(environ)))
    except ConfigError as error:
        print(f"{cli.NAME}: {error}", file=sys.stderr)
        return error.exit_status
    return cli.main(argv)


def _wired(environ: dict[str, str]) -> wiring.Wiring | int:
    """Return both environments, or else print the error and return its status."""
    try:
        return wiring.wire(environ)
    except ConfigError as error:
        print(f"{NAME}: {error}", file=sys.stderr, flush=True)
        return error.exit_status
    except Exception:
        # A bug of ours may stop the exporter, but never the broker.
        log.exception("the exporter can't be configured because of a bug")
        return 1


def _exporter() -> list[str]:
    """Return the exporter's command, which is next to this one in the image."""
    if getattr(sys, "frozen", False):
        return [str(Path(sys.executable).with_name(cli.NAME)), "run"]
    return [sys.executable, "-m", "exporter", "run"]


def _become(command: list[str], environ: Mapping[str, str]) -> int:
    """Replace this process by *command*; return only if that is impossible."""
    sys.stderr.flush()
    if came := signal.sigpending() & ENDING:  # while this process started
        return 128 + int(min(came))
    # Python handles or ignores these signals, and the command would inherit the mask.
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING | PASSED_ON)
    try:
        os.execvpe(command[0], command, dict(environ))  # noqa: S606 -- on purpose
    except OSError as error:
        return unstartable(command, error)


def _is_ready(settings: Settings) -> bool:
    """Return whether the exporter accepts connections of the broker."""
    url = address(settings.ingest_host, settings.ingest_port)
    try:
        socket.create_connection((url.raw_host, url.port), timeout=1).close()
    except (OSError, ValueError):
        return False
    return True
