"""
`uninstall` and `enable`: stop a broker from exporting to us, and let it start again.

Both talk only to the broker: they read no settings and need no running service.
"""

import argparse
import asyncio
import math

from exporter.broker.actuator import (
    DEFAULT_URL,
    ActuatorError,
    Changed,
    NextStep,
    change,
    enabling,
    open_actuator,
    releasing,
)
from exporter.broker.takeover import exporter_id
from exporter.commands.arguments import Subparsers, add_broker, add_command
from exporter.commands.printing import as_json, say
from exporter.config.declaration import PREFIX

DEFAULT_SECONDS = 60.0


def add_to(commands: Subparsers) -> None:
    """Add `uninstall` and `enable` to *commands*."""
    for call in (uninstall, enable):
        command = add_command(commands, call.__name__, call)
        add_broker(command)
        command.add_argument(
            "--id",
            default=exporter_id(),
            metavar="ID",
            help="id of the exporter in the broker (default: %(default)s)",
        )
        command.add_argument(
            "--physical-tenant",
            default="",
            metavar="ID",
            help="only the exporter of this physical tenant (default: all of them)",
        )
        command.add_argument(
            "--timeout",
            type=_seconds,
            default=DEFAULT_SECONDS,
            metavar="SECONDS",
            help="how long to wait for the broker (default: %(default)g)",
        )


def uninstall(args: argparse.Namespace) -> int:
    """Make the broker stop exporting here, and stop keeping its log for that."""
    released = asyncio.run(_change(args, releasing))
    name, known = released.exporter, bool(released.statuses)
    if args.json:
        status = "DISABLED" if known else None
        print(as_json({"id": name, "status": status, "forgotten": not known}, None))
    else:
        print(f"{name} is {'disabled' if known else 'not known'}")
    say(_advice(released))
    return 0


def enable(args: argparse.Namespace) -> int:
    """Make the broker export here again after an uninstall."""
    enabled = asyncio.run(_change(args, enabling))
    name, others = enabled.exporter, ", ".join(enabled.others) or "none"
    if "ENABLED" not in enabled.statuses:
        raise ActuatorError(
            f"The broker has no variables for an exporter {name}; its exporters: "
            f"{others}",
            remedy="Give every broker its variables, and restart them: docs/broker.md",
        )
    print(as_json({"id": name}, None) if args.json else f"{name} is enabled")
    say(f"{name} receives new records from now on")
    return 0


def _advice(released: Changed) -> str:
    """Say what happened, and what is left to do."""
    name = released.exporter
    if released.statuses:
        return (
            f"{name} receives nothing more, and the broker keeps no log for it. Now "
            f"remove its variables from every broker (with the combined image: set "
            f"{PREFIX}ENABLED=false; with Helm: the flag), and restart the brokers. "
            "They go on listing it as DISABLED, which costs nothing. To use it again, "
            "run `enable`"
        )
    if released.asked:
        return f"The broker has forgotten {name} and keeps no log for it any more"
    others = ", ".join(released.others) or "none"
    return f"Nothing to do: the broker has no exporter {name}. Its exporters: {others}"


async def _change(args: argparse.Namespace, next_step: NextStep) -> Changed:
    broker, tenant = args.broker or DEFAULT_URL, args.physical_tenant
    async with open_actuator(broker, tenant=tenant) as actuator:
        return await change(actuator, args.id, next_step, args.timeout, say)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if 0 <= seconds < math.inf:
        return seconds
    raise argparse.ArgumentTypeError(f"{text[:40]!r} isn't a number of seconds")
