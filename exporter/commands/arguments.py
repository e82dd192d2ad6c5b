"""Parts of the command line that several commands share."""

import argparse
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from exporter.broker.actuator import DEFAULT_URL
from exporter.config.rules import HTTP_URL, Rule

LARGEST = 2**63 - 1

Subparsers = Any  # argparse has no public name for this type
Call = Callable[[argparse.Namespace], int]


def add_command(  # noqa: PLR0913 -- each is a part of the help
    commands: Subparsers,
    name: str,
    call: Call,
    *,
    meaning: str = "",
    description: str = "",
    epilog: str = "",
    json: bool = True,
) -> argparse.ArgumentParser:
    """Add the command *name*; its help defaults to the docstring of *call*."""
    meaning = meaning or call.__doc__ or ""
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=meaning,
        description=description or meaning,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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


def whole_number(text: str) -> int:
    """Return the positive number in *text*."""
    digits = text.isascii() and text.isdigit() and len(text) < 20
    if digits and 1 <= int(text) <= LARGEST:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} isn't a whole number from 1 on")


def value_of(rule: Rule, convert: Callable[[str], Any] = str) -> Callable[[str], Any]:
    """Return an argument type for values that *rule* accepts."""

    def read(text: str) -> Any:
        with suppress(ValueError):
            if rule.accepts(value := convert(text)):
                return value
        raise argparse.ArgumentTypeError(f"must be {rule.description}")

    return read
