"""
The command line: what a person or a container starts.

stdout holds only a command's result; everything else goes to stderr.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain

from exporter import __version__, logs, service
from exporter import connect as connecting
from exporter.admin import standby
from exporter.base import outlet
from exporter.base.errors import ExporterError
from exporter.broker.wanted import why_off
from exporter.commands import arguments, backends, stub_backend
from exporter.commands import check as checks
from exporter.commands.broker_environment import add_to as add_broker_version_to
from exporter.commands.broker_environment import broker_environment
from exporter.commands.status import add_to as add_status_to
from exporter.commands.status import status, withheld
from exporter.commands.uninstall import add_broker_to, enable, uninstall
from exporter.commands.uninstall import add_to as add_uninstall_to
from exporter.config import settings, variables

NAME = "app-integrations-exporter"
DESCRIPTION = """\
Forwards what happens in a Camunda 8 engine to an HTTP backend, as it happens, and
never loses an event on the way. Settings come from APP_INTEGRATIONS_* variables."""
EPILOG = f"""\
examples:
  APP_INTEGRATIONS_URL=https://backend.example/events {NAME} check
  APP_INTEGRATIONS_URL=https://backend.example/events {NAME} run
  APP_INTEGRATIONS_API_KEY_FILE=/run/secrets/api-key {NAME} config --json
  {NAME} stub-backend          # prints the events it gets

with the settings of the service:
  {NAME} status
  {NAME} dead-letters list
  {NAME} backends
  {NAME} broker-environment 8.8.1

where the broker's management port can be reached:
  {NAME} uninstall
  {NAME} enable

exit status:
  0  done, nothing to complain about
  1  failed, or check found a problem, or there is no such dead letter, or status knows
     that it doesn't deliver
  2  the configuration or the command line can't be used

All settings: docs/configuration.md. First steps: README.md."""

STDOUT, STDERR = 1, 2

log = logging.getLogger(NAME)


def run(args: argparse.Namespace) -> int:
    """Receive records and deliver events until SIGTERM or SIGINT."""
    outlet.unblock()
    if args.standby and (reason := why_off()):
        asyncio.run(standby.stand_by(reason))
        return 0
    loaded = settings.load()
    logs.configure(loaded.log_level, loaded.log_format)
    for unknown in variables.unknown():
        log.warning("setting unknown", extra={"detail": unknown})
    for variable, why in variables.ignored().items():
        log.info("setting ignored", extra={"setting": variable, "reason": why})
    if shared := variables.shared():
        log.warning("the connector's settings are here, too", extra={"detail": shared})
    if connecting.is_nameless(loaded):
        about = {"remedy": connecting.NAMELESS_REMEDY}
        log.warning(connecting.NAMELESS, extra=about)
    for exposed in chain.from_iterable(
        map(connecting.exposed, loaded.backends.values())
    ):
        log.warning(
            "credential crosses the network unencrypted",
            extra={"detail": exposed.credential, "remedy": exposed.remedy},
        )
    _collect_less()
    _open_more_files()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(service.serve(loaded))
    return 0


def check(args: argparse.Namespace) -> int:
    """Try the settings, the spool and the backend, and say what to do."""
    findings = checks.findings(args.broker, backends.kept, withheld)
    return asyncio.run(_check(findings, as_json=args.json))


def config(args: argparse.Namespace) -> int:
    """Print the settings in effect, secrets hidden."""
    effective = settings.effective(settings.load())
    if args.json:
        print(json.dumps(effective, indent=2))
        return 0
    width = max(map(len, effective))
    for variable, value in effective.items():
        shown = " ".join(f"{value}".split()) or "(none)"
        print(f"{variable:{width}}  {shown}")
    return 0


async def _check(findings: AsyncIterator[checks.Finding], *, as_json: bool) -> int:
    found = []
    async for finding in findings:
        found.append(finding)
        if not as_json:
            print(f"{finding.level:8} {finding.text}", flush=True)
            if finding.remedy:
                print(f"{'':8} -> {finding.remedy}", flush=True)
    if as_json:
        print(json.dumps([vars(finding) for finding in found], indent=2))
    return int(any(finding.level is checks.Level.PROBLEM for finding in found))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the fast event loop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def parser() -> argparse.ArgumentParser:
    """Return the whole command line; a command's docstring is its help."""
    top = argparse.ArgumentParser(
        NAME,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    following = {
        run: _add_standby_to,
        check: add_broker_to,
        status: add_status_to,
        uninstall: add_uninstall_to,
        enable: add_uninstall_to,
        broker_environment: add_broker_version_to,
    }
    for call in (run, check, config, status, broker_environment, uninstall, enable):
        name = call.__name__.replace("_", "-")
        command = commands.add_parser(name, help=call.__doc__, description=call.__doc__)
        command.set_defaults(call=call)
        if call is not run:
            command.add_argument("--json", action="store_true", help="print JSON")
        if call in following:
            following[call](command)
    arguments.add_to(commands)
    backends.add_to(commands)
    stub_backend.add_to(commands)
    return top


def _add_standby_to(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--standby",
        action="store_true",
        help="while the exporter is switched off, or no backend is configured, answer "
        "probes and do nothing else: for a container that is always there",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; an expected error is told in words, never as a traceback."""
    open_streams()
    args = parser().parse_args(argv)
    os.umask(0o077)  # the spool is nobody else's to read
    try:
        status = int(args.call(args))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough, like `head`; nor is there anybody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        return 128 + signal.SIGPIPE
    except (ExporterError, ExceptionGroup) as raised:
        errors = list(_leaves(raised))
        expected = [error for error in errors if isinstance(error, ExporterError)]
        if expected != errors:
            raise
        for error in expected:
            print(f"{NAME}: {error}", file=sys.stderr)
        return max(error.exit_status for error in expected)
    return status


def _collect_less() -> None:
    """Look for garbage less often: events hold no cycles, and there are many."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _open_more_files() -> None:
    """Have as many connections as the system allows, not as many as a shell begins."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def open_streams() -> None:
    """Fill in the standard streams somebody closed, or a socket takes their place."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(file)
    sys.stdout = sys.stdout or os.fdopen(STDOUT, "w")
    sys.stderr = sys.stderr or os.fdopen(STDERR, "w")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield what is in *error*: parts that run side by side fail as a group."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
