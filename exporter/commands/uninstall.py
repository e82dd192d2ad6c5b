"""
`uninstall` and `enable`: stop a broker from exporting to us, and let it start again.

Both talk only to the broker: they read no settings and need no running service.
"""

import argparse
import asyncio

from exporter.broker.actuator import (
    DEFAULT_URL,
    Actuator,
    ActuatorError,
    Change,
    NextStep,
    enabling,
    releasing,
)
from exporter.broker.takeover import exporter_id
from exporter.commands.arguments import Subparsers, add_broker, add_command
from exporter.commands.printing import as_json, say
from exporter.config.declaration import PREFIX


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
            type=float,
            default=60,
            metavar="SECONDS",
            help="how long to wait for the broker (default: %(default)s)",
        )


def uninstall(args: argparse.Namespace) -> int:
    """Make the broker stop exporting here, and stop keeping its log for that."""
    done = asyncio.run(_change(args, releasing))
    name, known = done.exporter, bool(done.statuses)
    if args.json:
        status = "DISABLED" if known else None
        print(as_json({"id": name, "status": status, "forgotten": not known}, None))
    else:
        print(f"{name} is {'disabled' if known else 'not known'}")
    if known:
        say(
            f"{name} receives nothing more, and the broker keeps no log for it. Now "
            f"remove its variables from every broker (with the combined image: set "
            f"{PREFIX}ENABLED=false; with Helm: the flag), and restart the brokers. "
            "They go on listing it as DISABLED, which costs nothing. To use it again, "
            "run `enable`"
        )
    elif done.accepted:
        say(f"The broker has forgotten {name} and keeps no log for it any more")
    else:
        say(f"Nothing to do: the broker has no exporter {name}, only {_others(done)}")
    return 0


def enable(args: argparse.Namespace) -> int:
    """Make the broker export here again after an uninstall."""
    done = asyncio.run(_change(args, enabling))
    name = done.exporter
    if "ENABLED" not in done.statuses:
        raise ActuatorError(
            f"The broker has no variables for an exporter {name}, only for "
            f"{_others(done)}",
            remedy="Give every broker its variables, and restart them: docs/broker.md",
        )
    print(as_json({"id": name}, None) if args.json else f"{name} is enabled")
    say(f"{name} receives new records from now on")
    return 0


def _others(done: Change) -> str:
    return ", ".join(done.others) or "none"


async def _change(args: argparse.Namespace, next_step: NextStep) -> Change:
    actuator = Actuator(args.broker or DEFAULT_URL)
    change = Change(actuator, args.id, next_step, say, tenant=args.physical_tenant)
    await change.finish(args.timeout)
    return change
