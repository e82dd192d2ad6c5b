"""Parts of the command line that several commands share."""

import argparse
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from exporter.broker.actuator import DEFAULT_URL
from exporter.config.rules import HTTP_URL, Rule, whole

Subparsers = Any  # argparse has no public name for this type
Call = Callable[[argparse.Namespace], int]


def add_command(
    commands: Subparsers, name: str, call: Call, *, json: bool = True, **parts: str
) -> argparse.ArgumentParser:
    """Add the command *name*; its help is the docstring of *call*, and *parts*."""
    about = {"help": call.__doc__, "description": call.__doc__} | parts
    command: argparse.ArgumentParser = commands.add_parser(
        name, formatter_class=argparse.RawDescriptionHelpFormatter, **about
    )
    command.set_defaults(call=call)
    if json:
        command.add_argument("--json", action="store_true", help="print JSON")
    return command


def add_broker(command: argparse.ArgumentParser) -> None:
    """Add the option `--broker`."""
    command.add_argument(
        "--broker",
        type=value_of(HTTP_URL),
        metavar="URL",
        help=f"management port of a broker or gateway (default: {DEFAULT_URL})",
    )


def value_of(rule: Rule, convert: Callable[[str], Any] = str) -> Callable[[str], Any]:
    """Return an argument type for values that *rule* accepts."""

    def read(text: str) -> Any:
        with suppress(ValueError):
            if rule.accepts(value := convert(text)):
                return value
        raise argparse.ArgumentTypeError(f"must be {rule.description}")

    return read


whole_number = value_of(whole(1, 2**63 - 1), int)
