"""
The command line: its parser and its exit status.

stdout holds only a command's result; everything else goes to stderr.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence

from exporter import __version__
from exporter.base import process
from exporter.base.errors import ExporterError
from exporter.commands import (
    broker_environment,
    check,
    config,
    dead_letters,
    drop_backend,
    run,
    status,
    stub_backend,
    uninstall,
)
from exporter.commands.printing import paragraphs

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
  {NAME} broker-environment 8.8.1

exit status:
  0  success
  1  failure: the command failed, `check` found a problem, `status` shows that nothing
     is delivered, or there is no such dead letter
  2  the configuration or the command line is wrong

All settings: docs/configuration.md. First steps: README.md."""


def parser() -> argparse.ArgumentParser:
    """Return the whole command line."""
    top = argparse.ArgumentParser(
        NAME,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (
        *(run, check, config, status, broker_environment, uninstall),
        *(dead_letters, drop_backend, stub_backend),
    ):
        command.add_to(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; an expected error is a sentence, never a traceback."""
    process.open_streams()
    args = parser().parse_args(argv)
    os.umask(0o077)  # the spool is for this user only
    try:
        status = int(args.call(args))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has ended, like `head`
        process.discard_stdout()
        return 128 + signal.SIGPIPE
    except (ExporterError, ExceptionGroup) as raised:
        errors = list(_leaves(raised))
        expected = [error for error in errors if isinstance(error, ExporterError)]
        if expected != errors:
            raise
        for error in expected:
            print(f"{NAME}: {paragraphs(str(error))}", file=sys.stderr)
        return max(error.exit_status for error in expected)
    return status


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in *error*: tasks that run in parallel fail as a group."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
